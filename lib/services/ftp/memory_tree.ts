/**
 * Folders and files in memory, so that an FTP server needs no permission and no
 * disk: at first two files, and room for what clients send.
 *
 * @module
 */
import { SocketError } from "../../sockets/socket_error.ts";
import { NOTES } from "../notes.ts";
import type { Saving } from "../save_file.ts";
import { memoryShelf } from "../shelf.ts";
import { type FileTree, split } from "./tree.ts";

/** A folder, or a file, which has content. */
interface Node {
  readonly content?: () => Uint8Array;
  readonly size: number;
  readonly modified: number;
}

/** A tree in memory; what clients add to it has a limit. */
export function memoryTree(): FileTree {
  const start = Date.now();
  const nodes = new Map<string, Node>([["", { size: 0, modified: start }]]);
  for (const [name, content] of Object.entries(NOTES)) {
    nodes.set(name, { content, size: content().length, modified: start });
  }
  let room = MEMORY_LIMIT;

  function take(size: number, name: string): void {
    if (size > room) throw failure("ENOSPC", name);
    room -= size;
  }

  function nodeOf(name: string): Node {
    const node = nodes.get(name);
    if (!node) throw failure("ENOENT", name);
    return node;
  }

  function entryOf(name: string) {
    const { content, size, modified } = nodeOf(name);
    return { name: split(name)[1], size, folder: !content, modified };
  }

  function folderOf(name: string): Node {
    const node = nodeOf(name);
    if (node.content) throw failure("ENOTDIR", name);
    return node;
  }

  /** Whether a name can be given to something new. */
  function expectFree(name: string): void {
    expectShort(name);
    folderOf(split(name)[0]);
    if (nodes.has(name)) throw failure("EEXIST", name);
  }

  function namesIn(folder: string): string[] {
    const start = folder === "" ? "" : `${folder}/`;
    return nodes.keys().filter((name) =>
      name !== "" && name.startsWith(start) &&
      !name.includes("/", start.length)
    ).toArray().sort();
  }

  function remove(name: string): void {
    room += nodeOf(name).size + OVERHEAD;
    nodes.delete(name);
  }

  function save(name: string): Saving {
    const parts: Uint8Array[] = [];
    let [size, kept] = [0, false];
    const expectFile = () => {
      expectShort(name);
      folderOf(split(name)[0]);
      const old = nodes.get(name);
      if (old && !old.content) throw failure("EISDIR", name);
      return old;
    };
    expectFile();
    take(OVERHEAD, name);
    return {
      write(bytes) {
        take(bytes.length, name);
        size += bytes.length;
        parts.push(bytes.slice());
      },
      keep() {
        if (expectFile()) remove(name);
        const content = new Uint8Array(size);
        let at = 0;
        for (const part of parts.splice(0)) {
          content.set(part, at);
          at += part.length;
        }
        const modified = Date.now();
        nodes.set(name, { content: () => content, size, modified });
        kept = true;
      },
      [Symbol.dispose]() {
        if (!kept) room += size + OVERHEAD;
      },
    };
  }

  return {
    find: async (name) => entryOf(name),
    async list(name) {
      folderOf(name);
      return namesIn(name).map(entryOf);
    },
    open(name) {
      const { content } = nodes.get(name) ?? {};
      if (nodes.has(name) && !content) {
        return Promise.reject(failure("EISDIR", name));
      }
      return memoryShelf(content ? { [name]: content } : {}).open(name);
    },
    writable: async () => true,
    save: async (name) => save(name),
    async makeFolder(name) {
      expectFree(name);
      take(OVERHEAD, name);
      nodes.set(name, { size: 0, modified: Date.now() });
    },
    async removeFile(name) {
      if (!nodeOf(name).content) throw failure("EISDIR", name);
      remove(name);
    },
    async removeFolder(name) {
      folderOf(name);
      if (name === "") throw failure("EACCES", name);
      if (namesIn(name).length > 0) throw failure("ENOTEMPTY", name);
      remove(name);
    },
    async rename(from, to) {
      nodeOf(from);
      expectFree(to);
      if (`${to}/`.startsWith(`${from}/`)) throw failure("EINVAL", to);
      const moved = [...nodes].filter(([name]) =>
        `${name}/`.startsWith(`${from}/`)
      ).map(([name, node]) =>
        [name, to + name.slice(from.length), node] as const
      );
      for (const [, name] of moved) expectShort(name);
      for (const [old, name, node] of moved) {
        nodes.delete(old);
        nodes.set(name, node);
      }
    },
  };
}

/** Each folder's name is a part of those in it: deep ones would fill the memory. */
function expectShort(name: string): void {
  if (name.length > LONGEST) throw failure("ENAMETOOLONG", name);
}

function failure(code: string, name: string): SocketError {
  return new SocketError(code, "open", `/${name}`);
}

/** How much clients may add in all, in bytes, and what each name counts. */
const MEMORY_LIMIT = 16 * 2 ** 20;
const OVERHEAD = 1024;
/** The longest name with its folders, in characters. */
const LONGEST = 1024;
