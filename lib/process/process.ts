/**
 * The process that runs a script: arguments, exit, signals, and its output.
 *
 * @module
 */
import { WINDOWS } from "../sockets/runtimes/system.ts";
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

/**
 * Calls `stop` on the signals that end a program, `again` from the second on.
 * A terminal that closes sends SIGHUP, and may send it several times.
 */
export function onStop(stop: (again: boolean) => void): void {
  let count = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const listener = () => stop(count++ > 0 && signal !== "SIGHUP");
    if (!DENO) process.on(signal, listener);
    else if (!WINDOWS || signal === "SIGINT") {
      Deno.addSignalListener(signal, listener);
    }
  }
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
  const { log } = console;
  console.log = (...words) => {
    const [line] = words;
    const plain = words.length === 1 && typeof line === "string" && !WINDOWS;
    try {
      if (plain) writeLine(line);
      else log(...words);
    } catch (error) {
      outputFailed(error);
    }
  };
}

/** A reader that does not read stops the process; no output fills its memory. */
function writeLine(line: string): void {
  let bytes = encoder.encode(`${line}\n`);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(
        DENO
          ? Deno.stdout.writeSync(bytes)
          : process.getBuiltinModule("node:fs").writeSync(1, bytes),
      );
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error; // the pipe does not block
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

const encoder = new TextEncoder();

/** Tells of output that could not be written, if it is worth it. */
export function outputFailed(error: unknown): void {
  const code = codeOf(error);
  if (code === "EPIPE" || failed) return;
  failed = 1;
  setExitCode(1);
  try {
    console.error(`Cannot write the output: ${meaningOf(code)}`);
  } catch {
    // nor this
  }
}
