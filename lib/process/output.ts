/**
 * Queues output, so that a server serves on and can be stopped while nobody reads
 * what it prints. Loaded by those who need it.
 *
 * @module
 */
import { codeOf } from "../sockets/socket_error.ts";
import { later, outputFailed } from "./process.ts";

const BUN = "Bun" in globalThis;

// Not static: a bundle with all of the library would load it at once.
const { format } = await import("node:util");
const { write } = BUN ? await import("node:fs") : {};

/**
 * Lets `console` print in order through a queue. When `most` characters wait in
 * it, the newest lines are counted only; `tell` gets their number when the others
 * have been written. Returns a function that waits until the queue is empty.
 */
export function queueOutput(
  most = Infinity,
  tell: (lines: number) => void = () => {},
): () => Promise<void> {
  const queue: Piece[] = [];
  let size = 0;
  let missing = 0;
  let writing: Promise<void> | undefined;

  const printTo = (to: Output) => (...words: unknown[]) => {
    const text = `${format(...words)}\n`;
    if (missing > 0 || size + text.length > most) {
      missing += text.split("\n").length - 1;
    } else {
      size += text.length;
      queue.push({ to, text });
      writing ??= writeAll();
    }
  };

  async function writeAll(): Promise<void> {
    while (queue.length > 0) {
      const [{ to }] = queue;
      const end = queue.findIndex((piece) => piece.to !== to);
      const pieces = queue.splice(0, end < 0 ? queue.length : end);
      const text = pieces.map(({ text }) => text).join("");
      await writeTo(to, text).catch(outputFailed);
      size -= text.length;
      const lines = missing;
      if (size > 0 || lines === 0) continue;
      missing = 0;
      tell(lines);
    }
    writing = undefined;
  }

  if (NODE) OUTPUTS.forEach(prepare);
  console.log = printTo("stdout");
  console.error = printTo("stderr");
  return async () => await writing;
}

/** Resolves when the text is written; meanwhile the process goes on. */
async function writeTo(to: Output, text: string): Promise<void> {
  if (NODE) {
    return new Promise((done, fail) => {
      process[to].write(text, (error) => error ? fail(error) : done());
    });
  }
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(await writeSome(to, bytes));
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error; // the pipe does not block
      await later(5);
    }
  }
}

/** In a thread. Node would wait for that at its end, Bun's stream for a terminal. */
function writeSome(to: Output, bytes: Uint8Array): Promise<number> {
  if (!BUN) return Deno[to].write(bytes);
  return new Promise((done, fail) => {
    write!(
      OUTPUTS.indexOf(to) + 1,
      bytes,
      (error, written) => error ? fail(error) : done(written),
    );
  });
}

/** Lets `writeTo` alone tell of errors; and Node would wait for a terminal. */
function prepare(to: Output): void {
  const { _handle } = process[to].on("error", () => {}) as {
    _handle?: { setBlocking?(on: boolean): void };
  };
  _handle?.setBlocking?.(false);
}

const NODE = !BUN && !("Deno" in globalThis);
const OUTPUTS = ["stdout", "stderr"] as const;
type Output = typeof OUTPUTS[number];

interface Piece {
  readonly to: Output;
  readonly text: string;
}
