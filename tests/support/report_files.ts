/**
 * Reads reports as the tests of them need it, and stricter than a browser: what
 * a browser would repair is an error here.
 */
import { expect } from "bun:test";

// --- Markdown ---

/** A section of a Markdown report. */
export interface MarkdownSection {
  heading: string;
  body: string;
  parts: Map<string, string>;
}

/** The sections; a heading within a code block begins none. */
export function markdownSections(text: string): MarkdownSection[] {
  const sections: MarkdownSection[] = [];
  let part: string | undefined;
  let fence = "";
  for (const line of text.split("\n")) {
    const [ticks] = line.match(/^`{3,}/) ?? [];
    if (!fence && ticks) fence = ticks;
    else if (fence && line.trimEnd() === fence) fence = "";
    const section = sections.at(-1);
    const [, level, heading] = fence ? [] : line.match(/^(##+) (.*)$/) ?? [];
    if (level === "##") {
      sections.push({ heading, body: "", parts: new Map() });
      part = undefined;
    } else if (level === "###") {
      section!.parts.set(part = heading, "");
    } else if (!fence && line === "---") {
      break;
    } else if (section && part) {
      section.parts.set(part, `${section.parts.get(part)}${line}\n`);
    } else if (section) {
      section.body += `${line}\n`;
    }
  }
  expect(fence).toBe("");
  for (const section of sections) section.body = section.body.trim();
  return sections;
}

/** The code blocks of Markdown: `[language, text]`. */
export function fencesOf(text: string): [string, string][] {
  const blocks = text.matchAll(/^(`{3,})(\w+)\n([\s\S]*?)\n\1$/gm);
  return [...blocks].map(([, , language, code]) => [language, code]);
}

/** The text of a code span; undefined if it is not one from end to end. */
export function codeOf(span: string): string | undefined {
  const [, ticks, code] = span.match(/^(`+)(?!`)(.*)(?<!`)\1$/) ?? [];
  if (!code || code.match(/`+/g)?.includes(ticks)) return;
  return /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code;
}

// --- HTML ---

/** An element of a page; a text has no name. */
export interface Node {
  name: string;
  attributes: Record<string, string>;
  children: Node[];
  text: string;
}

const DOCTYPE = "<!DOCTYPE html>\n";

/** The page as a tree. */
export function parse(page: string): Node {
  const node = (name: string, text = ""): Node => ({
    ...{ name, attributes: {}, children: [], text },
  });
  const root = node("root");
  const open = [root];
  const must = (right: boolean, what: string) => {
    if (!right) throw new Error(`Not well formed: ${what}`);
  };
  must(page.startsWith(DOCTYPE), page.slice(0, 30));
  const token = /<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*?)?)>|[^<]+|</gi;
  // The checksum of the report.
  const body = page.slice(DOCTYPE.length).replace(/<!-- [\w ,:]* -->\n$/, "");
  for (
    const [all, close, name, attributes] of body.matchAll(token)
  ) {
    const parent = open.at(-1)!;
    if (!name) {
      const style = parent.name === "style";
      must(all !== "<", parent.name);
      must(style || !/&(?!#\d+;)/.test(all), all);
      parent.children.push(node("", style ? all : unescaped(all)));
    } else if (close) {
      must(open.pop()!.name === name, all);
    } else {
      const element = node(name);
      const pattern = /\s+([a-z-]+)="([^"]*)"/gi;
      must(attributes.replace(pattern, "").trim() === "", all);
      for (const [, key, value] of attributes.matchAll(pattern)) {
        must(!Object.hasOwn(element.attributes, key), all);
        element.attributes[key] = unescaped(value);
      }
      parent.children.push(element);
      if (!/^(meta|wbr|br)$/.test(name)) open.push(element);
    }
  }
  must(open.length === 1, `${open.at(-1)!.name} stays open`);
  return root;
}

function unescaped(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
}

/** All elements of this name, and with `className` of this class. */
export function all(node: Node, name: string, className?: string): Node[] {
  const found = node.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...all(child, name),
  ]);
  if (className === undefined) return found;
  return found.filter((one) => one.attributes.class === className);
}

export function textOf(node: Node): string {
  return node.text + node.children.map(textOf).join("");
}

/** Expects a page without scripts, links or anything that it would fetch. */
export function standsAlone(page: Node): void {
  const ids: string[] = [];
  const visit = ({ name, attributes, children }: Node) => {
    expect(name).not.toMatch(/^(script|img|link|iframe|object|embed|a|base)$/);
    for (const [key, value] of Object.entries(attributes)) {
      expect(key).not.toMatch(/^(on|href|src|style|xlink)/);
      if (key !== "content") expect(value).not.toMatch(/url\(|:\/\//);
      if (key === "id") ids.push(value);
    }
    children.forEach(visit);
  };
  visit(page);
  expect(ids).toEqual([...new Set(ids)]);
  const style = all(page, "style").map(textOf).join("");
  expect(style).not.toMatch(/url\(|@import|:\/\//);
  expect(all(page, "html")[0].attributes.lang).toBe("en");
  expect(textOf(all(page, "title")[0])).not.toBe("");
  for (const { attributes } of all(page, "td")) {
    if (attributes.headers) expect(ids).toContain(attributes.headers);
  }
}
