/**
 * The process that runs a script: arguments, exit, signals and broken pipes.
 *
 * @module
 */

// Deno's `process` costs 9 ms when it is first touched, so its own API is used.
const DENO = "Deno" in globalThis;
const BUN = "Bun" in globalThis;

/** What a user types before the name of a script. */
export const command = DENO ? "deno run --allow-net" : BUN ? "bun" : "node";

/** The arguments behind the name of the script. */
export function args(): string[] {
  return DENO ? Deno.args : process.argv.slice(2);
}

/** Ends the process, exit(3). */
export function exit(code: number): never {
  return DENO ? Deno.exit(code) : process.exit(code);
}

/**
 * Resolves after `ms`, and does not keep the process alive meanwhile. Deno's
 * first timer costs 4 ms, this nothing.
 */
export async function later(ms: number): Promise<void> {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  await Atomics.waitAsync(cell, 0, 0, ms).value;
}

/** Calls `stop` on SIGINT and SIGTERM; does not keep the process alive. */
export function onStop(stop: () => void): void {
  if (!DENO) return void process.on("SIGINT", stop).on("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
}

/**
 * Ignores EPIPE on standard output and standard error, so that `| head` does
 * not end a server. Deno and Bun do so by themselves.
 */
export function ignoreBrokenPipe(): void {
  if (DENO || BUN) return;
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", () => {});
    // Blocking, or the output of a pipe with a slow reader grows without bound.
    const { _handle } = output as {
      _handle?: { setBlocking?(on: boolean): void };
    };
    _handle?.setBlocking?.(true);
  }
}
