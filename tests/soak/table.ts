/**
 * The result of a soak as a table of at most 68 columns.
 *
 * @module
 */
import { wrapped } from "../../scripts/tools/matrix/table.ts";
import type { Tally } from "./reconciliation.ts";
import { clientOf, DIALOGUES, FAULTS } from "./scenario.ts";
import type { Result } from "./supervisor.ts";

export function table(result: Result): string {
  const { server, version, seed, seconds, clients, complaints } = result;
  const what = `${server} ${version} serves ${clients.join(", ")}`;
  return [
    `${what}: ${seconds} s, seed ${seed}`,
    row("connections", "", "to the server", "to the client"),
    ...KINDS.filter((kind) => result.connections[kind])
      .map((kind) => tallyRow(kind, result.connections[kind])),
    ...datagramRows(result),
    row("reopened", result.reopened.toLocaleString("en")),
    ...figureRows(result),
    ...complaints.length === 0
      ? ["every byte is accounted for"]
      : ["NOT ACCOUNTED FOR", ...complaints.flatMap(wrapped), ...again(result)],
  ].join("\n");
}

/** The command that repeats a connection with a complaint, by its client. */
function again({ server, clients, seed, complaints }: Result): string[] {
  const all = complaints.join("\n").match(/(?<=^connection )\d+/gm) ?? [];
  const clientAt = (id: string) => clients[clientOf(Number(id))];
  const id = all.find(clientAt); // not of a client that was to be killed
  return id === undefined ? [] : wrapped(
    `Again: --runtimes ${server} --clients ${clientAt(id)} --seed ${seed} ` +
      `--connection ${id}`,
  );
}

/** First those that must be whole. */
const KINDS: string[] = [...DIALOGUES, ...FAULTS, "turned away"];

function row(title: string, ...[count, up = "", down = ""]: string[]): string {
  return (title.padEnd(15) + count.padStart(9) + up.padStart(22) +
    down.padStart(22)).trimEnd();
}

function tallyRow(kind: string, { connections, up, down }: Tally): string {
  // A killed client cannot tell what it had sent.
  const flow = ({ sent, received }: Tally["up"]) =>
    sent <= received
      ? sizeOf(received)
      : `${sizeOf(received)} of ${sizeOf(sent)}`;
  return row(kind, connections.toLocaleString("en"), flow(up), flow(down));
}

function datagramRows({ datagrams }: Result): string[] {
  const { sent, received, answered, returned } = datagrams;
  if (sent === 0) return [];
  const of = (some: number, all: number) =>
    some === all ? "all" : `${all - some} lost`;
  const ways = [of(received, sent), of(returned, answered)];
  return [row("datagrams", sent.toLocaleString("en"), ...ways)];
}

/** What the server used: at first, halfway and at last. */
function figureRows({ figures }: Result): string[] {
  if (figures.length === 0) return [];
  const middle = figures[Math.floor(figures.length / 2)];
  const shown = [figures[0], middle, figures.at(-1)!];
  const peak = Math.max(...figures.map(({ peak }) => peak));
  const mib = (kib: number) => String(Math.round(kib / 1024));
  return [
    row("descriptors", ...shown.map((one) => String(one.descriptors))),
    row("memory in MiB", ...shown.map((one) => mib(one.resident))),
    row("at most", "", "", mib(peak)),
  ];
}

function sizeOf(bytes: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}
