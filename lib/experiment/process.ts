/**
 * The process that runs a script: arguments, exit, signals, and its output.
 *
 * @module
 */
import { codeOf, meaningOf } from "../sockets/socket_error.ts";

// Deno's `process` costs 9 ms when it is first touched, so its own API is used.
const DENO = "Deno" in globalThis;
const BUN = "Bun" in globalThis;

/** What a user types before the name of a script. */
export const command = DENO ? "deno run --allow-net" : BUN ? "bun" : "node";

/** The arguments behind the name of the script. */
export function args(): string[] {
  return DENO ? Deno.args : process.argv.slice(2);
}

/** Ends the process, exit(3); with 1 if some output could not be written. */
export function exit(code: number): never {
  code ||= failed;
  return DENO ? Deno.exit(code) : process.exit(code);
}

/** Whether the network may be used; Deno would ask the user on a terminal. */
export function mayUse(host: string): boolean {
  if (!DENO) return true;
  return Deno.permissions.querySync({ name: "net", host }).state === "granted";
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

/** Ends the process with this code when nothing is left to do. */
export function setExitCode(code: number): void {
  code ||= failed;
  if (DENO) Deno.exitCode = code;
  else process.exitCode = code;
}

/** The exit code that the output causes. */
let failed = 0;

/**
 * Lets the process go on when its output cannot be written. A reader that has
 * left (`| head`) is ignored; anything else, such as a full disk, is told once,
 * and the exit code is 1.
 */
export function guardOutput(): void {
  if (DENO) {
    printBy(Deno.build.os === "windows" ? console.log : writeLine);
  } else if (BUN) {
    attempt(() => {
      const output = Bun.stdout.writer(); // console.log() hides errors
      printBy((line) =>
        Promise.all([output.write(`${line}\n`), output.flush()])
      );
    });
  } else {
    for (const output of [process.stdout, process.stderr]) {
      output.on("error", outputFailed);
      // Blocking, or the output of a pipe with a slow reader grows without bound.
      const { _handle } = output as {
        _handle?: { setBlocking?(on: boolean): void };
      };
      _handle?.setBlocking?.(true);
    }
  }
}

/** Lets console.log() print a line by `print`; whatever else, as it would. */
function printBy(print: (line: string) => unknown): void {
  const { log } = console;
  console.log = (...words) => {
    const [line] = words;
    const plain = words.length === 1 && typeof line === "string";
    attempt(() => plain ? print(line) : log(...words));
  };
}

function attempt(write: () => unknown): void {
  try {
    const writing = write();
    if (writing instanceof Promise) writing.catch(outputFailed);
  } catch (error) {
    outputFailed(error);
  }
}

function outputFailed(error: unknown): void {
  const code = codeOf(error);
  // Bun's writer may find no descriptor; then its console is used.
  if (code === "EPIPE" || code === "EMFILE" || failed) return;
  failed = 1;
  setExitCode(1);
  try {
    console.error(`Cannot write the output: ${meaningOf(code)}`);
  } catch {
    // nor this
  }
}

/** Deno's own fails where a pipe does not block and is full. */
function writeLine(line: string): void {
  let bytes = new TextEncoder().encode(`${line}\n`);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
