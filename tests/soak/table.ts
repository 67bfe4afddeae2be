/**
 * What a trial has shown, as a table of at most 68 columns.
 *
 * @module
 */
import { wrapped } from "../../scripts/tools/matrix/table.ts";
import type { Tally } from "./ledger.ts";
import { clientOf, FAULTS, TALKS } from "./plan.ts";
import type { Result } from "./trial.ts";

export function table(result: Result): string {
  const { server, version, seed, seconds, clients, complaints } = result;
  return [
    `${server} ${version} serves ${
      clients.join(", ")
    }: ${seconds} s, seed ${seed}`,
    row("connections", "", "to the server", "to the client"),
    ...SORTS.flatMap((sort) => {
      const tally = result.connections[sort];
      return tally ? [rowOf(sort, tally)] : [];
    }),
    ...datagramRows(result),
    row("reopened", result.reopened.toLocaleString("en")),
    ...figureRows(result),
    ...complaints.length === 0
      ? ["every byte is accounted for"]
      : ["NOT ACCOUNTED FOR", ...complaints.flatMap(wrapped), ...again(result)],
  ].join("\n");
}

/** How to do again what is not accounted for: the same client, alone. */
function again({ server, clients, seed, complaints }: Result): string[] {
  const all = complaints.join("\n").match(/(?<=^connection )\d+/gm) ?? [];
  const clientAt = (id: string) => clients[clientOf(Number(id))];
  const id = all.find(clientAt); // not one that was to be killed
  return id === undefined ? [] : wrapped(
    `Again: --runtimes ${server} --clients ${clientAt(id)} --seed ${seed} ` +
      `--connection ${id}`,
  );
}

/** In this order: first those that must be whole. */
const SORTS: string[] = [...TALKS, ...FAULTS, "turned away"];

function row(title: string, ...[count, up = "", down = ""]: string[]): string {
  return (title.padEnd(15) + count.padStart(9) + up.padStart(22) +
    down.padStart(22)).trimEnd();
}

function rowOf(sort: string, { connections, up, down }: Tally): string {
  // What was killed cannot tell what it had sent.
  const flow = ({ sent, received }: Tally["up"]) =>
    sent <= received
      ? sizeOf(received)
      : `${sizeOf(received)} of ${sizeOf(sent)}`;
  return row(sort, connections.toLocaleString("en"), flow(up), flow(down));
}

function datagramRows({ datagrams }: Result): string[] {
  const { sent, received, answered, returned } = datagrams;
  if (sent === 0) return [];
  const of = (some: number, all: number) =>
    some === all ? "all" : `${all - some} lost`;
  return [row(
    "datagrams",
    sent.toLocaleString("en"),
    of(received, sent),
    of(returned, answered),
  )];
}

/** How much the server took: at first, halfway and at last. */
function figureRows({ figures }: Result): string[] {
  if (figures.length === 0) return [];
  const middle = figures[Math.floor(figures.length / 2)];
  const shown = [figures[0], middle, figures.at(-1)!];
  const most = Math.max(...figures.map(({ peak }) => peak));
  const all = (of: (one: typeof middle) => number) =>
    shown.map((one) => String(of(one)));
  return [
    row("descriptors", ...all(({ descriptors }) => descriptors)),
    row("memory in MiB", ...all(({ resident }) => mib(resident))),
    row("at most", "", "", String(mib(most))),
  ];
}

function mib(kib: number): number {
  return Math.round(kib / 1024);
}

function sizeOf(bytes: number): string {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}
