/**
 * The files that a server offers: some in memory, so that an experiment needs no
 * permission and no disk, or those below a folder, and no others.
 *
 * @module
 */
import { WINDOWS } from "../sockets/runtimes/system.ts";
import { codeOf, SocketError } from "../sockets/socket_error.ts";
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
 * The first `size` bytes of a file in chunks, or fewer if it has become shorter.
 * The next chunk is read while the caller sends this one, which is the caller's
 * until it asks for the next.
 */
export async function* chunksOf(
  file: ShelfFile,
  size = file.size,
): AsyncGenerator<Uint8Array, void> {
  const read = (from: number, buffer: Uint8Array) => {
    const room = buffer.subarray(0, Math.min(buffer.length, size - from));
    const reading = file.read(from, room);
    reading.catch(() => {}); // the caller may leave before
    return reading;
  };
  const length = Math.min(CHUNK, size);
  let [chunk, next] = [new Uint8Array(length), new Uint8Array(length)];
  let reading = read(0, chunk);
  try {
    for (let at = 0, count; (count = await reading) > 0;) {
      at += count;
      reading = read(at, next);
      yield chunk.subarray(0, count);
      [chunk, next] = [next, chunk];
    }
  } finally {
    await reading.catch(() => {}); // before the file is closed
  }
}

/** In bytes. A client that does not read holds two of them. */
const CHUNK = 2 ** 16;

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
async function folderShelf(root: string): Promise<Shelf> {
  const { constants, promises: fs } = await import("node:fs");
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

  /** The path of what a name leads to, without a link in it. */
  const pathOf = async (call: string, name: string) => {
    const below = top.endsWith("/") ? top : `${top}/`;
    // One answer for all that is outside: it must not tell what is there.
    const path = isPlain(name)
      ? await fs.realpath(below + name).catch(() => "")
      : "";
    const slashed = WINDOWS ? path.replaceAll("\\", "/") : path;
    const inside = slashed.startsWith(
      WINDOWS ? below.replaceAll("\\", "/") : below,
    );
    if (!inside) throw failure("ENOENT", call, name);
    return path;
  };
  // A FIFO must not stop the server: open(2) would wait for a writer.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

  return {
    async open(name) {
      const path = await pathOf("open", name);
      // Opening a device can do something: it is looked at before, and after.
      const before = await attempt("open", name, fs.lstat(path));
      if (before.isDirectory()) throw failure("EISDIR", "open", name);
      if (!before.isFile()) throw failure("EPERM", "open", name);
      const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
      const file = await attempt("open", name, fs.open(path, flags));
      const close = () => file.close();
      const after = await attempt("open", name, file.stat());
      if (!after.isFile()) {
        await close();
        throw failure("EPERM", "open", name);
      }
      const read = async (position: number, buffer: Uint8Array) => {
        const reading = file.read(buffer, 0, buffer.length, position);
        return (await attempt("read", name, reading)).bytesRead;
      };
      return { name, size: after.size, read, close };
    },
    async list(folder = "") {
      const path = folder === "" ? top : await pathOf("list", folder);
      const names = await attempt("list", folder, fs.readdir(path));
      const entries = await Promise.all(
        names.sort().map(async (name) => {
          const inside = folder === "" ? name : `${folder}/${name}`;
          const stats = await pathOf("list", inside).then(fs.lstat)
            .catch(() => undefined); // a link that leads out, or is gone
          const isFolder = stats?.isDirectory() ?? false;
          if (!stats || !(isFolder || stats.isFile())) return [];
          return [{
            name,
            size: isFolder ? 0 : Number(stats.size),
            folder: isFolder,
          }];
        }),
      );
      return entries.flat();
    },
  };
}

/** Whether a name has neither an empty part, nor one that leads elsewhere. */
function isPlain(name: string): boolean {
  const foreign = WINDOWS ? /[\0\\:]/ : /[\0\\]/; // of Windows: a drive, a stream
  return !foreign.test(name) &&
    name.split("/").every((part) => !["", ".", ".."].includes(part));
}

function failure(code: string, call: string, name: string, cause?: unknown) {
  return new SocketError(code, call, name, cause);
}
