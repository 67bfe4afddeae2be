/**
 * The files below a folder of the disk for an FTP server. No name and no link leads
 * out of it, and clients change only what is in their inbox.
 *
 * @module
 */
import { codeOf, SocketError } from "../../sockets/socket_error.ts";
import { giveName, PART, saveFile } from "../save_file.ts";
import { folderShelf, isPlain } from "../shelf.ts";
import { memoryTree } from "./memory_tree.ts";
import { type FileTree, split } from "./tree.ts";

/**
 * The files below `root`, or those in memory. Clients may change what is in `inbox`,
 * which is the root or a folder in it, and by itself the root. Failures are
 * SocketErrors: ENOENT, also for an inbox that is elsewhere, ENOTDIR, EACCES.
 */
export async function openTree(
  { root, inbox }: { root?: string | undefined; inbox?: string | undefined },
): Promise<FileTree> {
  const top = root ?? inbox;
  return top === undefined ? memoryTree() : await folderTree(top, inbox);
}

async function folderTree(root: string, inbox?: string): Promise<FileTree> {
  const fs = await import("node:fs/promises");
  const { sep } = await import("node:path");
  const serving = "serve files from";
  const shelf = await folderShelf(root);
  const top = await fs.realpath(root);
  const own = inbox === undefined
    ? undefined
    : await attempt(serving, inbox, fs.realpath(inbox));
  const isIn = (path: string, folder: string) =>
    `${path}${sep}`.startsWith(folder.endsWith(sep) ? folder : folder + sep);
  if (own !== undefined && !isIn(own, top)) {
    const finding = `find below ${root} the inbox`;
    throw new SocketError("ENOENT", finding, inbox);
  }

  const pathOf = async (name: string) => {
    if (PART.test(name)) throw failure("ENOENT", name);
    return name === "" ? top : await shelf.pathOf("open", name);
  };
  const writable = async (folder: string) =>
    own !== undefined && isIn(await pathOf(folder), own);
  /** The path of a name that may be changed, whose last part is not followed. */
  const ownPath = async (name: string) => {
    const [folder, last] = split(name);
    if (!await writable(folder) || !isPlain(last)) {
      throw failure("EACCES", name);
    }
    if (PART.test(last)) throw failure("EACCES", name);
    const parent = await pathOf(folder);
    return `${parent}${parent.endsWith(sep) ? "" : sep}${last}`;
  };
  const find = async (name: string) => {
    const stats = await attempt("open", name, fs.lstat(await pathOf(name)));
    const [file, folder] = [stats.isFile(), stats.isDirectory()];
    if (!file && !folder) throw failure("ENOENT", name);
    const size = folder ? 0 : stats.size;
    return { name: split(name)[1], size, folder, modified: stats.mtimeMs };
  };

  return {
    find,
    writable,
    open: async (name) => shelf.open((await pathOf(name)) && name),
    async list(name) {
      const names = await attempt("list", name, fs.readdir(await pathOf(name)));
      const start = name === "" ? "" : `${name}/`;
      // None for a link that leads out, or for what is gone meanwhile.
      const entries = names.sort().map((each) =>
        find(start + each).then((entry) => [entry], () => [])
      );
      return (await Promise.all(entries)).flat();
    },
    async save(name) {
      const path = await ownPath(name);
      const stats = await fs.lstat(path).catch(() => undefined);
      if (stats?.isDirectory()) throw failure("EISDIR", name);
      const file = stats?.isFile() || stats?.isSymbolicLink();
      if (stats && !file) throw failure("EPERM", name); // a device, a FIFO
      return saveFile(path, { replace: true });
    },
    async makeFolder(name) {
      await attempt("open", name, fs.mkdir(await ownPath(name)));
    },
    async removeFile(name) {
      const path = await ownPath(name);
      const stats = await attempt("open", name, fs.lstat(path));
      if (stats.isDirectory()) throw failure("EISDIR", name);
      await attempt("open", name, fs.unlink(path));
    },
    async removeFolder(name) {
      await attempt("open", name, fs.rmdir(await ownPath(name)));
    },
    async rename(from, to) {
      const [old, path] = [await ownPath(from), await ownPath(to)];
      await attempt(
        "open",
        from,
        (async () => {
          const folder = (await fs.lstat(old)).isDirectory();
          const taken = await fs.lstat(path).catch(() => undefined);
          if (taken) throw { code: "EEXIST" };
          if (folder) return await fs.rename(old, path);
          giveName(old, path);
          await fs.rm(old, { force: true });
        })(),
      );
    },
  };
}

async function attempt<T>(call: string, name: string, work: Promise<T>) {
  try {
    return await work;
  } catch (error) {
    throw new SocketError(codeOf(error), call, name, error);
  }
}

function failure(code: string, name: string): SocketError {
  return new SocketError(code, "open", name);
}
