/**
 * The files that a server offers: some in memory, so that an experiment needs no
 * permission and no disk, or those below a folder, and no others.
 *
 * @module
 */
import type { Stats } from "node:fs";
import { WINDOWS } from "../sockets/runtimes/system.ts";
import { codeOf, SocketError } from "../sockets/socket_error.ts";
import { handled } from "../sockets/waiter.ts";
import { NOTES } from "./notes.ts";

/**
 * A collection of files. A name has parts that are divided by `/`, and no other
 * way to write the same: it is no path, and there is no way up.
 */
export interface Shelf {
  /**
   * Opens a file. Failures are SocketErrors of the call `open`: ENOENT for all
   * that is not on the shelf, EISDIR for a folder, EPERM for what is neither, such
   * as a device; EACCES, EMFILE.
   */
  open(name: string): Promise<ShelfFile>;
  /** The entries of a folder, by default of the shelf itself, sorted by name. */
  list(folder?: string): Promise<Entry[]>;
}

/** The files below a folder. */
export interface FolderShelf extends Shelf {
  /**
   * The path of what a name leads to, without a link in it. ENOENT of the call, also
   * for what is not below the folder.
   */
  pathOf(call: string, name: string): Promise<string>;
}

export interface Entry {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly folder: boolean;
}

/** A file that is open for reading. */
export interface ShelfFile {
  readonly name: string;
  /** In bytes, when it was opened. */
  readonly size: number;
  /** Fills the buffer from a position on; how many bytes, 0 at the end, pread(2). */
  read(position: number, buffer: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** The files below a folder; without one, those in memory. */
export async function openShelf(root?: string): Promise<Shelf> {
  return root === undefined ? memoryShelf(NOTES) : await folderShelf(root);
}

/**
 * The first `size` bytes of a file in chunks, or fewer if it has become shorter. A
 * chunk is the caller's until it asks for the next one, which is read meanwhile.
 */
export async function* chunksOf(
  file: ShelfFile,
  size = file.size,
): AsyncGenerator<Uint8Array, void> {
  const length = Math.min(CHUNK, size);
  let [room, spare] = [new Uint8Array(length), new Uint8Array(length)];
  const read = async (at: number) => {
    const part = room.subarray(0, size - at);
    [room, spare] = [spare, room];
    return part.subarray(0, await file.read(at, part));
  };
  let next = read(0);
  try {
    for (let at = 0; at < size;) {
      const chunk = await next;
      if (chunk.length === 0) return;
      at += chunk.length;
      if (at < size) next = handled(read(at));
      yield chunk;
    }
  } finally {
    await next.catch(() => {}); // the file can be closed then
  }
}

/** In bytes, for each client: a smaller one costs more calls. */
const CHUNK = 2 ** 18;

/** Files in memory, by name. */
export function memoryShelf(files: Record<string, () => Uint8Array>): Shelf {
  const made = new Map<string, Uint8Array>();
  const contentOf = (name: string) => {
    const content = made.get(name) ?? files[name]();
    made.set(name, content);
    return content;
  };
  return {
    async open(name) {
      if (!Object.hasOwn(files, name)) throw failure("ENOENT", "open", name);
      const content = contentOf(name);
      const read = async (position: number, buffer: Uint8Array) => {
        const part = content.subarray(position, position + buffer.length);
        buffer.set(part);
        return part.length;
      };
      return { name, size: content.length, read, async close() {} };
    },
    async list(folder = "") {
      if (folder !== "") throw failure("ENOENT", "list", folder);
      return Object.keys(files).sort().map((name) => (
        { name, size: contentOf(name).length, folder: false }
      ));
    },
  };
}

/**
 * The files below a folder. Links are followed, as long as they do not lead out of
 * it. Whoever may write in the folder is trusted: a link that is made between the
 * check and open(2) is noticed in the last part of a name only.
 */
export async function folderShelf(root: string): Promise<FolderShelf> {
  const { constants, promises: fs } = await import("node:fs");
  const { sep } = await import("node:path");
  const attempt = async <T>(call: string, name: string, work: Promise<T>) => {
    try {
      return await work;
    } catch (error) {
      throw failure(codeOf(error), call, name, error);
    }
  };
  const serving = "serve files from";
  const top = await attempt(serving, root, fs.realpath(root));
  await attempt(serving, root, fs.readdir(top));
  const below = top.endsWith(sep) ? top : top + sep;

  const pathOf = async (call: string, name: string) => {
    // One answer for all that is outside: it must not tell what is there.
    const path = isPlain(name) &&
      await fs.realpath(below + name).catch(() => "");
    if (path && path.startsWith(below)) return path;
    throw failure("ENOENT", call, name);
  };
  const statsOf = async (call: string, name: string) =>
    fs.lstat(await pathOf(call, name));
  // A FIFO must not stop the server: open(2) would wait for a writer.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

  return {
    pathOf,
    async open(name) {
      const path = await pathOf("open", name);
      // Opening a device can do something: it is looked at before, and after.
      expectFile(name, await attempt("open", name, fs.lstat(path)));
      const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
      const file = await attempt("open", name, fs.open(path, flags));
      const close = () => file.close();
      const stats = await attempt("open", name, file.stat());
      if (!stats.isFile()) await close();
      expectFile(name, stats);
      const read = async (position: number, buffer: Uint8Array) => {
        const reading = file.read(buffer, 0, buffer.length, position);
        return (await attempt("read", name, reading)).bytesRead;
      };
      return { name, size: stats.size, read, close };
    },
    async list(folder = "") {
      const path = folder === "" ? top : await pathOf("list", folder);
      const names = await attempt("list", folder, fs.readdir(path));
      const entries = names.sort().map(async (name): Promise<Entry[]> => {
        const whole = folder === "" ? name : `${folder}/${name}`;
        // None for a link that leads out, or for what is gone meanwhile.
        const stats = await statsOf("list", whole).catch(() => undefined);
        if (stats?.isFile()) return [{ name, size: stats.size, folder: false }];
        return stats?.isDirectory() ? [{ name, size: 0, folder: true }] : [];
      });
      return (await Promise.all(entries)).flat();
    },
  };
}

function expectFile(name: string, stats: Stats): void {
  if (stats.isDirectory()) throw failure("EISDIR", "open", name);
  if (!stats.isFile()) throw failure("EPERM", "open", name);
}

/** Whether a name has neither an empty part, nor one that leads elsewhere. */
export function isPlain(name: string): boolean {
  const foreign = WINDOWS ? /[\0\\:]/ : /[\0\\]/; // of Windows: a drive, a stream
  return !foreign.test(name) &&
    name.split("/").every((part) => !["", ".", ".."].includes(part));
}

function failure(code: string, call: string, name: string, cause?: unknown) {
  return new SocketError(code, call, name, cause);
}
