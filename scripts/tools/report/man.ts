/**
 * What a reader may ask about a call: its times and bytes, and the sentence that
 * explains it, from the tables of the reports' theory.
 *
 * @module
 */
import type { MergedCall } from "../../../lib/observe/merge.ts";
import { textOf as inWords } from "../../../lib/observe/strace.ts";
import { ownPath, readTextFile } from "./files.ts";
import { type Inline, readProse } from "./prose.ts";

/** A call with all that is known of it; `data` is in base64, perhaps `cut`. */
export function detailsOf(found: MergedCall): Record<string, unknown> {
  const { call, end, time, at, begun = at, bytes = 0, data = "" } = found;
  const took = at - begun;
  const times = { time, begun: time - took, took };
  const cut = atob(data).length < bytes;
  const [text, man] = [inWords(found), manOf(call)];
  return { text, call, end, ...times, bytes, data, cut, man };
}

/** Such as `bind(2): gives the socket its address`. */
export function manOf(call: string): string {
  return (sentences ??= readSentences()).get(call) ?? call;
}

let sentences: Map<string, string> | undefined;

function readSentences(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of FILES) {
    const { blocks } = readProse(readTextFile(ownPath(file)));
    for (const block of blocks) {
      if (block.kind !== "table") continue;
      for (const [names, effect] of block.rows) {
        const [, page] = textOf(names).match(/\[(\w+\(\d\))\]/) ?? [];
        for (const name of names) {
          const [call] = textOf([name]).match(/^\w+/) ?? [];
          if (call === undefined || found.has(call)) continue;
          found.set(call, `${page ?? pageOf(call)}: ${textOf(effect)}`);
        }
      }
    }
  }
  return found;
}

/** Those whose words come first. */
const FILES = ["server_calls", "client_calls", "shared_calls"]
  .map((name) => `theory/${name}.md`).concat("effects.md");

/** The man page of a call: all have one but those that C does not have. */
function pageOf(call: string): string {
  return /timeout$|^lose$/.test(call) ? call : `${call}(2)`;
}

function textOf(parts: Inline): string {
  return parts.map((part) => typeof part === "string" ? part : part.code)
    .join("");
}
