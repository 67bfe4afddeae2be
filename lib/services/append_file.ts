/**
 * A file that grows by whole lines, whatever ends its writer: a line that a
 * kill -9 left torn is mended when the next one opens it.
 *
 * @module
 */
import { codeOf, SocketError } from "../sockets/socket_error.ts";

// Not static: a bundle with all of the library would load it at once.
const { default: fs } = await import("node:fs");

/** A file of lines that is open for appending. */
export interface Appender {
  /** The line that was found torn, without an LF; undefined if none was. */
  readonly torn: Uint8Array | undefined;
  /**
   * Appends lines, each with its LF, in one write(2): when it returns, the
   * system has them, and only its own end can undo that.
   */
  append(lines: string): void;
  close(): void;
}

/**
 * Opens a file, or makes it. Where the last line is torn, `mend` says what to
 * write over it: a line with its LF, no shorter than it. Failures are
 * SocketErrors of the call `append to`: EACCES, ENOENT, ENOSPC; EINVAL if what
 * follows the last LF is over 1 MiB, since such a file is no file of lines.
 */
export function openLines(
  path: string,
  mend: (torn: Uint8Array) => string,
): Appender {
  const told = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new SocketError(codeOf(error), "append to", path, error);
    }
  };
  const torn = told(() => mendEnd(path, mend));
  const file = told(() => fs.openSync(path, "a"));
  return {
    torn,
    append: (lines) => told(() => writeAll(file, encoder.encode(lines), null)),
    close: () => told(() => fs.closeSync(file)),
  };
}

/** Writes over the torn line, so that at no moment it is lost. */
function mendEnd(
  path: string,
  mend: (torn: Uint8Array) => string,
): Uint8Array | undefined {
  // Asked for first: a pipe or a terminal has no end to look at.
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  const file = fs.openSync(path, "r+");
  try {
    const torn = lastLine(file);
    if (torn.length === 0) return;
    const start = fs.fstatSync(file).size - torn.length;
    writeAll(file, encoder.encode(mend(torn)), start);
    return torn;
  } finally {
    fs.closeSync(file);
  }
}

/** What follows the last LF. */
function lastLine(file: number): Uint8Array {
  const { size } = fs.fstatSync(file);
  const tail = new Uint8Array(Math.min(size, LONGEST + 1));
  for (let done = 0; done < tail.length;) {
    const at = size - tail.length + done;
    const read = fs.readSync(file, tail, done, tail.length - done, at);
    if (read === 0) break; // somebody has made it shorter
    done += read;
  }
  const line = tail.subarray(tail.lastIndexOf(LF) + 1);
  if (line.length > LONGEST) throw { code: "EINVAL" };
  return line;
}

/** Writes all of it from a position on, or with null at the end. */
function writeAll(file: number, bytes: Uint8Array, from: number | null): void {
  for (let done = 0; done < bytes.length;) {
    const at = from === null ? null : from + done;
    done += fs.writeSync(file, bytes, done, bytes.length - done, at);
  }
}

const LONGEST = 2 ** 20;
const LF = 10;
const encoder = new TextEncoder();
