/**
 * A file that grows by whole lines even if its writer is killed: whoever opens
 * it next repairs an incomplete last line. It has one writer at a time, and
 * notices when its path leads elsewhere. A symbolic link is followed: the lock
 * belongs to the file behind it.
 *
 * @module
 */
import { codeOf, SocketError } from "../sockets/socket_error.ts";
import { type Identity, lockFile } from "./file_lock.ts";

// Not static: a bundle with all of the library would load it at once.
const { default: fs } = await import("node:fs");

/** A file of lines that is open for appending. */
export interface Appender {
  /** The incomplete last line that was found; undefined if there was none. */
  readonly incomplete: Uint8Array | undefined;
  /**
   * Appends lines, each with its LF, in one write(2): when it returns, the
   * kernel has them, and only a crash of the system can lose them. ESTALE if the
   * path no longer leads to the file.
   */
  append(lines: string): void;
  close(): Promise<void>;
}

/**
 * Opens a file for appending, or creates it. If the last line has no LF, `repair`
 * says what to write over it: a line with its LF that is no shorter, or undefined
 * if that is not a line of such a file. Failures are SocketErrors of the call
 * `append to`: EACCES, ENOENT, ENOSPC; EBUSY if another process has opened it;
 * EINVAL for a pipe or socket, or if the last line cannot be repaired. Then nothing is
 * changed.
 */
export async function openAppender(
  path: string,
  repair: (incomplete: Uint8Array) => string | undefined,
): Promise<Appender> {
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new SocketError(codeOf(error), "append to", path, error);
    }
  };
  const file = checked(() => openFile(path));
  const own = fs.fstatSync(file, { bigint: true });
  // What is no regular file, such as /dev/null, has no last line.
  const regular = own.isFile();
  const lock = regular ? await lockFile(own) : undefined;
  const close = async () => {
    fs.closeSync(file);
    await lock?.release();
  };
  const append = (lines: string) => {
    writeAll(file, encoder.encode(lines), null);
    const options = { bigint: true, throwIfNoEntry: false } as const;
    expectSame(own, fs.statSync(path, options));
  };
  try {
    if (regular && !lock) throw new SocketError("EBUSY", "append to", path);
    const incomplete = regular
      ? checked(() => repairLastLine(path, own, repair))
      : undefined;
    return {
      incomplete,
      append: (lines) => checked(() => append(lines)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A pipe without a reader would stop the process: open(2) waits for one. */
function openFile(path: string): number {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  if (stats?.isFIFO() || stats?.isSocket()) throw code("EINVAL");
  return fs.openSync(path, "a");
}

/**
 * Overwrites an incomplete last line. It takes the room that this needs first: a
 * full disk or a kill -9 meanwhile leaves the line as it was, or with spaces
 * behind it.
 */
function repairLastLine(
  path: string,
  own: Identity,
  repair: (incomplete: Uint8Array) => string | undefined,
): Uint8Array | undefined {
  const file = fs.openSync(path, "r+");
  try {
    expectSame(own, fs.fstatSync(file, { bigint: true }));
    const { size } = fs.fstatSync(file);
    const incomplete = readIncompleteLine(file, size);
    if (incomplete.length === 0) return;
    const line = repair(incomplete);
    if (line === undefined) throw code("EINVAL");
    const bytes = encoder.encode(line);
    const room = " ".repeat(bytes.length - incomplete.length);
    try {
      writeAll(file, encoder.encode(room), size);
    } catch (error) {
      fs.ftruncateSync(file, size);
      throw error;
    }
    writeAll(file, bytes, size - incomplete.length);
    return incomplete;
  } finally {
    fs.closeSync(file);
  }
}

/** The bytes after the last LF. */
function readIncompleteLine(file: number, size: number): Uint8Array {
  const tail = new Uint8Array(Math.min(size, LINE_LIMIT + 1));
  for (let done = 0; done < tail.length;) {
    const at = size - tail.length + done;
    const read = fs.readSync(file, tail, done, tail.length - done, at);
    if (read === 0) break; // somebody has truncated the file
    done += read;
  }
  const line = tail.subarray(tail.lastIndexOf(LF) + 1);
  if (line.length > LINE_LIMIT) throw code("EINVAL");
  return line;
}

/** Writes all bytes at a position, or with null at the end of the file. */
function writeAll(file: number, bytes: Uint8Array, from: number | null): void {
  for (let done = 0; done < bytes.length;) {
    const at = from === null ? null : from + done;
    done += fs.writeSync(file, bytes, done, bytes.length - done, at);
  }
}

function expectSame(own: Identity, now: Identity | undefined): void {
  if (now?.ino !== own.ino || now.dev !== own.dev) throw code("ESTALE");
}

/** An error as the runtimes throw it. */
function code(code: string): { code: string } {
  return { code };
}

/** In bytes. */
const LINE_LIMIT = 2 ** 20;
const LF = 10;
const encoder = new TextEncoder();
