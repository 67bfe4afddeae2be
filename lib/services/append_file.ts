/**
 * A file that grows by whole lines even if its writer is killed: whoever opens
 * it next repairs an incomplete last line.
 *
 * @module
 */
import { codeOf, SocketError } from "../sockets/socket_error.ts";

// Not static: a bundle with all of the library would load it at once.
const { default: fs } = await import("node:fs");

/** A file of lines that is open for appending. */
export interface Appender {
  /** The incomplete last line that was found; undefined if there was none. */
  readonly incomplete: Uint8Array | undefined;
  /**
   * Appends lines, each with its LF, in one write(2): when it returns, the
   * kernel has them, and only a crash of the system can lose them.
   */
  append(lines: string): void;
  close(): void;
}

/**
 * Opens a file for appending, or creates it. If the last line has no LF, `repair`
 * says what to write over it: a line with its LF that is no shorter. Failures
 * are SocketErrors of the call `append to`: EACCES, ENOENT, ENOSPC; EINVAL if
 * more than 1 MiB follows the last LF, because that is not a file of lines.
 */
export function openAppender(
  path: string,
  repair: (incomplete: Uint8Array) => string,
): Appender {
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new SocketError(codeOf(error), "append to", path, error);
    }
  };
  const incomplete = checked(() => repairLastLine(path, repair));
  const file = checked(() => fs.openSync(path, "a"));
  return {
    incomplete,
    append: (lines) =>
      checked(() => writeAll(file, encoder.encode(lines), null)),
    close: () => checked(() => fs.closeSync(file)),
  };
}

/** Overwrites an incomplete last line, so that it is never lost meanwhile. */
function repairLastLine(
  path: string,
  repair: (incomplete: Uint8Array) => string,
): Uint8Array | undefined {
  // Checked first: a pipe or a terminal has no last line.
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  const file = fs.openSync(path, "r+");
  try {
    const incomplete = readIncompleteLine(file);
    if (incomplete.length === 0) return;
    const start = fs.fstatSync(file).size - incomplete.length;
    writeAll(file, encoder.encode(repair(incomplete)), start);
    return incomplete;
  } finally {
    fs.closeSync(file);
  }
}

/** The bytes after the last LF. */
function readIncompleteLine(file: number): Uint8Array {
  const { size } = fs.fstatSync(file);
  const tail = new Uint8Array(Math.min(size, LINE_LIMIT + 1));
  for (let done = 0; done < tail.length;) {
    const at = size - tail.length + done;
    const read = fs.readSync(file, tail, done, tail.length - done, at);
    if (read === 0) break; // somebody has truncated the file
    done += read;
  }
  const line = tail.subarray(tail.lastIndexOf(LF) + 1);
  if (line.length > LINE_LIMIT) throw { code: "EINVAL" };
  return line;
}

/** Writes all bytes at a position, or with null at the end of the file. */
function writeAll(file: number, bytes: Uint8Array, from: number | null): void {
  for (let done = 0; done < bytes.length;) {
    const at = from === null ? null : from + done;
    done += fs.writeSync(file, bytes, done, bytes.length - done, at);
  }
}

/** In bytes. */
const LINE_LIMIT = 2 ** 20;
const LF = 10;
const encoder = new TextEncoder();
