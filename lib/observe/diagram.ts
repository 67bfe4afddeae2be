/**
 * Socket calls as a Mermaid sequence diagram, which GitHub renders:
 * https://mermaid.js.org/syntax/sequenceDiagram.html
 *
 * @module
 */
import { type CallInWords, textOf } from "./strace.ts";

/**
 * The text of the diagram: an arrow for each call that the other end notices,
 * a note for the others; `more` calls are only counted.
 */
export function mermaid(calls: readonly CallInWords[], more = 0): string {
  const clients = new Set([1]);
  for (const { connection } of calls) {
    if (connection > 0) clients.add(connection);
  }
  const numbers = [...clients].sort((a, b) => a - b);
  const lines = [
    "sequenceDiagram",
    ...numbers.map((number) =>
      number > 1
        ? `    participant client${number} as client ${number}`
        : "    participant client"
    ),
    "    participant server",
  ];
  for (const call of calls) lines.push(`    ${step(call)}`);
  if (more > 0) lines.push(`    Note over server: and ${more} more calls`);
  return lines.join("\n");
}

function step(words: CallInWords): string {
  const { end, connection, call, error } = words;
  const client = clientOf(connection);
  const [own, other] = end === "client"
    ? [client, "server"]
    : ["server", client];
  const text = safe(textOf(words));
  if (connection === 0 || !CROSSES.has(call)) {
    return `Note over ${own}: ${text}`;
  }
  const arrow = error ? "-x" : call === "close" ? "-->>" : "->>";
  return `${own}${arrow}${other}: ${text}`;
}

function clientOf(number: number): string {
  return number > 1 ? `client${number}` : "client";
}

/** Text that Mermaid takes as it is: no `;`, no `#`, not the word `end`. */
function safe(text: string): string {
  return text
    .replace(
      /[^\w ,.:/()'"=?+-]/g,
      (character) => `#${character.charCodeAt(0)};`,
    )
    .replace(
      /\bend\b/gi,
      ([first, ...rest]) => `#${first.charCodeAt(0)};${rest.join("")}`,
    );
}

/** The calls that the other end notices. */
const CROSSES = new Set([
  "connect",
  "send",
  "sendall",
  "sendto",
  "shutdown",
  "close",
]);
