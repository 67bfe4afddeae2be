/**
 * Draws socket calls as a Mermaid sequence diagram, which GitHub renders.
 * https://mermaid.js.org/syntax/sequenceDiagram.html
 *
 * @module
 */
import { type CallInWords, textOf } from "./strace.ts";

/**
 * The text of the diagram: an arrow for each call that the other end notices,
 * a note for any other; `more` calls are only counted.
 */
export function mermaid(calls: readonly CallInWords[], more = 0): string {
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
    ...calls.map((call) => `    ${step(call)}`),
    ...(more > 0 ? [`    Note over server: and ${more} more calls`] : []),
  ].join("\n");
}

function step(words: CallInWords): string {
  const { end, connection, call, error } = words;
  const client = connection > 1 ? `client${connection}` : "client";
  const [own, other] = end === "client"
    ? [client, "server"]
    : ["server", client];
  const text = escapeMermaid(textOf(words));
  if (connection === 0 || !CROSSING.includes(call)) {
    return `Note over ${own}: ${text}`;
  }
  const arrow = error ? "-x" : call === "close" ? "-->>" : "->>";
  return `${own}${arrow}${other}: ${text}`;
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
