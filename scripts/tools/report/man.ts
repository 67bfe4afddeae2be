/**
 * What a reader may ask about a call: its times and bytes, and the sentence that
 * explains it.
 *
 * @module
 */
import type { MergedCall } from "../../../lib/observe/merge.ts";
import { textOf } from "../../../lib/observe/strace.ts";
import { effectOf } from "./content.ts";

/** A call with all that is known of it; `data` is in base64, perhaps `cut`. */
export function detailsOf(
  found: MergedCall,
  calls: readonly MergedCall[],
): Record<string, unknown> {
  const { call, end, time, at, begun = at, bytes = 0, data = "" } = found;
  const took = at - begun;
  const times = { time, begun: time - took, took };
  const cut = atob(data).length < bytes;
  const [text, man] = [textOf(found), manOf(found, calls)];
  return { text, call, end, ...times, bytes, data, cut, man };
}

/**
 * Such as `bind(2): Gives the socket an address of this machine.` The calls before
 * it tell whether its socket is one for datagrams.
 */
export function manOf(
  { end, call, descriptor }: MergedCall,
  calls: readonly MergedCall[],
): string {
  const datagrams = calls.some(({ args, made, ...other }) =>
    args[1] === "SOCK_DGRAM" && made === descriptor && other.end === end
  );
  const effect = effectOf(call, datagrams);
  const page = PAGES[call] ?? `${call}(2)`;
  const text = effect.map((part) =>
    typeof part === "string" ? part : part.code
  );
  return `${page}: ${text.join("")}`;
}

/** Of the calls that C does not have. */
const PAGES: Record<string, string> = {
  sendall: "send(2)",
  recv_into: "recv(2)",
  lose: "lose",
};
