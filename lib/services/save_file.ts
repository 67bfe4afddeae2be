/**
 * A file that exists only once it is whole: it is written beside its path, and
 * gets its name at the end.
 *
 * @module
 */
import { codeOf, SocketError } from "../sockets/socket_error.ts";

// Not static: a bundle with all of the library would load it at once.
const { default: fs } = await import("node:fs");

/** A file that is being written. */
export interface Saving extends Disposable {
  /** Writes the next bytes, write(2). */
  write(bytes: Uint8Array): void;
  /** Gives the file its name. If it is not called, nothing is left. */
  keep(): void;
}

/**
 * Begins a file, or none without a path. Failures of it and of its calls are
 * SocketErrors of the call `save`: EEXIST if the path is taken, because nothing is
 * overwritten unless `replace` says so; ENOENT, EACCES, ENOSPC. A process that is
 * killed leaves `PATH.XXXXXXXX.part`, a name that `PART` matches.
 */
export function saveFile(
  path: string | undefined,
  { replace = false } = {},
): Saving {
  if (path === undefined) {
    return { write() {}, keep() {}, [Symbol.dispose]() {} };
  }
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new SocketError(codeOf(error), "save", path, error);
    }
  };
  const part = `${path}.${crypto.randomUUID().slice(0, 8)}.part`;
  const file = checked(() => {
    if (!replace) expectFree(path);
    return fs.openSync(part, "wx");
  });
  let open = true;
  const close = () => {
    if (open) fs.closeSync(file);
    open = false;
  };
  return {
    write: (bytes) =>
      checked(() => {
        for (let done = 0; done < bytes.length;) {
          done += fs.writeSync(file, bytes, done);
        }
      }),
    keep: () =>
      checked(() => {
        close(); // a full disk may be told here
        if (replace) fs.renameSync(part, path);
        else giveName(part, path);
      }),
    [Symbol.dispose]() {
      close();
      fs.rmSync(part, { force: true });
    },
  };
}

/** What a file is called until it is whole. */
export const PART = /\.[\da-f]{8}\.part$/;

function expectFree(path: string): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false })) throw { code: "EEXIST" };
}

/** Gives a file another name. link(2) fails if the name is taken; rename(2) would overwrite the file. */
export function giveName(part: string, path: string): void {
  try {
    fs.linkSync(part, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw error;
    expectFree(path); // a file system without links, such as FAT
    fs.renameSync(part, path);
  }
}
