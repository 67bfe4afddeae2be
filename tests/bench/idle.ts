/**
 * A server with idle connections, which tells its port, then how many bytes of
 * memory it has with the first ones, and with all.
 *
 * @module
 */
import process from "node:process";
import type { Works } from "./works.ts";

/** So many come before, to load and to fill what is there once. */
export const FIRST = 100;

/** In ms. */
const QUIET = 100;

/** No longer than this, whatever becomes of the clients; ms. */
const LIMIT = 60_000;

async function serve(kind: string, connections: number): Promise<void> {
  const file = kind === "library"
    ? "library"
    : "Deno" in globalThis
    ? "raw_deno"
    : "Bun" in globalThis
    ? "raw_bun"
    : "raw_node";
  const { works }: { works: Works } = await import(`./${file}.ts`);
  let accepted = 0;
  const port = await works.idle(() => {
    accepted++;
    if (accepted === FIRST || accepted === FIRST + connections) tellMemory();
  });
  console.log(port);
  setTimeout(() => process.exit(1), LIMIT);
}

/** When all is quiet, and what is free has gone back to the system. */
function tellMemory(): void {
  setTimeout(() => {
    for (let i = 0; i < 3; i++) collect();
    setTimeout(() => console.log(process.memoryUsage().rss), QUIET);
  }, QUIET);
}

function collect(): void {
  if ("Bun" in globalThis) Bun.gc(true);
  else (globalThis as { gc?: () => void }).gc!();
}

if (import.meta.main) serve(process.argv[2], Number(process.argv[3]));
