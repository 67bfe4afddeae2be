/**
 * Random lines and texts of FTP: the suite tries some thousands of each, and with
 * FTP_FUZZ=100000 as many.
 */
import { expect } from "bun:test";
import {
  endsReply,
  formatCommand,
  formatExtendedPort,
  formatPort,
  formatReply,
  parseCommand,
  parseExtendedPort,
  parsePort,
  parseReplyLine,
  passivePort,
  quotePath,
  resolvePath,
  withoutOptions,
} from "../../lib/protocols/ftp.ts";
import {
  FACTS,
  factsIn,
  formatFacts,
  formatLine,
  isListable,
} from "../../lib/protocols/ftp_listing.ts";
import { encodeText, TextReceiver } from "../../lib/protocols/ftp_text.ts";
import { type Numbers, numbers } from "./fuzz.ts";

const pick = <T>(next: Numbers, values: readonly T[]) =>
  values[next(values.length)];
const some = (next: Numbers, parts: readonly string[], most: number) =>
  Array.from({ length: next(most) }, () => pick(next, parts)).join("");

const PARTS = [
  ...["RETR", "stor", "PORT", "a", "/", "..", ".", " ", "\r", "\n", "\0", "\t"],
  ...["\x1b[2J", "\u00f6", "\u2028", "\ufffd", "\ud800", '"', "-", "250", "ls"],
];
/** What drives a terminal or ends a line. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x1f\x7f]/;

/** No text becomes a second command, and what is written is read again. */
export function fuzzCommands(count: number): void {
  const next = numbers(51);
  for (let i = 0; i < count; i++) {
    const line = some(next, PARTS, 8);
    const command = parseCommand(line);
    if (command) {
      expect(command.verb).toMatch(/^[A-Z]{3,4}$/);
      expect(command.argument).not.toMatch(CONTROL);
    }
    let written;
    try {
      written = formatCommand("RETR", line);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      continue;
    }
    expect(written.indexOf("\r\n")).toBe(written.length - 2);
    const read = { verb: "RETR", argument: line };
    expect(parseCommand(written.slice(0, -2))).toEqual(read);
  }
}

/** A reply is as many lines as it has texts, and its last one ends it. */
export function fuzzReplies(count: number): void {
  const next = numbers(52);
  for (let i = 0; i < count; i++) {
    const code = 200 + next(400);
    const texts = Array.from(
      { length: 1 + next(4) },
      () => some(next, PARTS, 6),
    );
    const lines = formatReply(code, ...texts).split("\r\n");
    expect(lines.pop()).toBe("");
    expect(lines).toHaveLength(texts.length);
    const first = parseReplyLine(lines[0])!;
    expect([first.code, first.whole]).toEqual([code, texts.length === 1]);
    const ends = lines.slice(1).map((line) => endsReply(line, code));
    expect(ends).toEqual(
      texts.slice(1).map((_, at) => at === texts.length - 2),
    );
    for (const line of lines) expect(line).not.toMatch(CONTROL);
    const text = some(next, [...PARTS, "229", "(|||", "|)", "1,2,3", ","], 8);
    parseReplyLine(text);
    for (const code of [227, 229, 200]) {
      const port = passivePort({ code, text });
      if (port === undefined) continue;
      expect([port > 0, port < 65_536, code > 200]).toEqual([true, true, true]);
    }
  }
}

/** An address is read as it was written, and nothing else is an address. */
export function fuzzAddresses(count: number): void {
  const next = numbers(53);
  const parts = [...",|12x.:-", " ", "255", "256", "127.0.0.1", "65535", "0"];
  for (let i = 0; i < count; i++) {
    const host = Array.from({ length: 4 }, () => next(256)).join(".");
    const port = 1 + next(65_535);
    expect(parsePort(formatPort([host, port]))).toEqual([host, port]);
    const extended = formatExtendedPort([host, port]);
    expect(parseExtendedPort(extended)).toEqual({
      protocol: 1,
      address: [host, port],
    });
    const text = `Entering (${formatPort([host, port])})`;
    expect(passivePort({ code: 227, text })).toBe(port);
    const odd = some(next, parts, 14);
    const wrong = [parsePort(odd), parseExtendedPort(odd)?.address];
    for (const address of wrong.filter((address) => address !== undefined)) {
      expect(address[0]).toMatch(/^[\d.:A-Fa-f]+$/);
      expect([address[1] > 0, address[1] < 65_536]).toEqual([true, true]);
    }
  }
}

/** No path leads above the root, and the same path leads to the same name. */
export function fuzzPaths(count: number): void {
  const next = numbers(54);
  for (let i = 0; i < count; i++) {
    const folder = resolvePath("", some(next, PARTS, 6));
    const path = some(next, PARTS, 10);
    const name = resolvePath(folder, path);
    for (const part of name.split("/")) {
      if (name !== "") expect(["", ".", ".."]).not.toContain(part);
    }
    expect(resolvePath("x", `/${name}`)).toBe(name);
    expect(resolvePath(name, "..")).toBe(name.replace(/(^|\/)[^/]*$/, ""));
    const quoted = quotePath(name).slice(1, -1).replaceAll('""', "");
    expect(quoted).not.toContain('"');
    expect(path).toEndWith(withoutOptions(path));
  }
}

/** A file is one line, with its name at the end. */
export function fuzzListings(count: number): void {
  const next = numbers(55);
  for (let i = 0; i < count; i++) {
    const file = {
      name: some(next, PARTS, 5),
      size: next(2 ** 31) * next(2 ** 20),
      folder: next(2) === 0,
      modified: next(2 ** 31) * 1000,
    };
    const facts = factsIn(some(next, [...FACTS, ";", "x"], 6));
    expect(FACTS.filter((fact) => facts.includes(fact))).toEqual(facts);
    const writable = next(2) === 0;
    if (!isListable(file.name)) continue;
    const now = next(2 ** 31) * 1000;
    const line = formatLine(file, { now, writable });
    expect(line).toMatch(
      /^[d-]r[w-][x-]r-[x-]r-[x-] 1 lab lab +\d+ [A-Z]../,
    );
    expect(line).toEndWith(` ${file.name}`);
    expect(line).not.toMatch(CONTROL);
    const text = formatFacts(file, { facts, writable });
    expect(text.slice(0, text.length - file.name.length)).toMatch(
      /^(\w+=\w+;)* $/,
    );
  }
}

const textOf = (bytes: Iterable<number>) =>
  Buffer.from([...bytes]).toString("latin1");

/** A text arrives as it was, in whatever pieces it comes. */
export function fuzzTexts(count: number): void {
  const next = numbers(56);
  for (let i = 0; i < count; i++) {
    const text = some(next, ["\r", "\n", "\r\n", "a", "", "\xff"], 30);
    const bytes = Uint8Array.from(text, (each) => each.charCodeAt(0));
    const sent: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = 1 + next(5);
      sent.push(...encodeText(bytes.subarray(at, at + size)));
      at += size;
    }
    expect(textOf(sent)).toBe(textOf(encodeText(bytes)));
    const receiver = new TextReceiver();
    const received: number[] = [];
    for (let at = 0; at < sent.length;) {
      const size = 1 + next(5);
      received.push(
        ...receiver.push(Uint8Array.from(sent.slice(at, at + size))),
      );
      at += size;
    }
    received.push(...receiver.push(new Uint8Array(0), true));
    expect(textOf(received)).toBe(text);
  }
}
