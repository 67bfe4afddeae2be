/**
 * Draws socket calls as a Mermaid sequence diagram, which GitHub renders.
 * https://mermaid.js.org/syntax/sequenceDiagram.html
 *
 * @module
 */
import { type CallInWords, textOf } from "./strace.ts";

/**
 * The text of the diagram: an arrow for each call that the other end notices,
 * a note for any other, a cross for a loss; `more` calls are only counted.
 */
export function mermaid(calls: readonly CallInWords[], more = 0): string {
  const keysOf = (name: RegExp) =>
    new Set(calls.filter(({ call }) => name.test(call)).map(keyOf));
  const [sent, lost] = [keysOf(/^send/), keysOf(/^lose/)];
  const clients = new Set([1]);
  for (const { connection } of calls) {
    if (connection > 0) clients.add(connection);
  }
  const participants = [...clients].sort((a, b) => a - b).map((number) =>
    number > 1 ? `client${number} as client ${number}` : "client"
  );
  return [
    "sequenceDiagram",
    ...participants.map((name) => `    participant ${name}`),
    "    participant server",
    ...calls.filter((call) => call.call !== "lose" || !sent.has(keyOf(call)))
      .map((call) => `    ${step(call, lost.has(keyOf(call)))}`),
    ...(more > 0 ? [`    Note over server: and ${more} more calls`] : []),
  ].join("\n");
}

function step(words: CallInWords, lost: boolean): string {
  const { end, connection, call, error } = words;
  const client = connection > 1 ? `client${connection}` : "client";
  const [own, other] = end === "client"
    ? [client, "server"]
    : ["server", client];
  const text = escapeMermaid(textOf(words));
  if (connection === 0 || !CROSSING.includes(call)) {
    return `Note over ${own}: ${text}`;
  }
  const arrow = error || lost ? "-x" : call === "close" ? "-->>" : "->>";
  return `${own}${arrow}${other}: ${text}${lost ? ", lost" : ""}`;
}

/** Tells datagrams apart; one of a run that is only counted has no data. */
function keyOf({ connection, args }: CallInWords): string {
  return `${connection} ${args[0]}`;
}

/** Escapes what Mermaid would interpret: `;`, `#`, the word `end`. */
function escapeMermaid(text: string): string {
  return text.replace(
    /[^\w ,.:/()'"=?+-]|\be(?=nd\b)/gi,
    (character) => `#${character.charCodeAt(0)};`,
  );
}

/** The calls that the other end notices. */
const CROSSING = ["connect", "send", "sendall", "sendto", "shutdown", "close"];
