/**
 * What a TFTP server has: a shelf of files to read, and room for those that
 * clients send. Nothing is ever overwritten.
 *
 * @module
 */
import { SocketError } from "../../sockets/socket_error.ts";
import { NOTES } from "../notes.ts";
import { saveFile, type Saving } from "../save_file.ts";
import { memoryShelf, openShelf, type Shelf } from "../shelf.ts";

export interface Store extends Shelf {
  /**
   * Begins a file of a client, of which the size may be known. Failures are
   * SocketErrors of the call `save`: EEXIST, ENOSPC; EACCES if clients may not
   * write, or for a name that is a path.
   */
  create(name: string, size?: number): Saving;
}

/**
 * The files below `root`, to read, and the folder `inbox`, in which clients
 * create files. Without either, both are in memory, and what was sent can be read.
 */
export async function openStore(
  { root, inbox }: {
    root?: string | undefined;
    inbox?: string | undefined;
  },
): Promise<Store> {
  if (root !== undefined || inbox !== undefined) {
    const shelf = await openShelf(root);
    if (inbox !== undefined) await openShelf(inbox); // or it fails now
    const create = (name: string) => {
      if (inbox === undefined || !isName(name)) throw failure("EACCES", name);
      return saveFile(`${inbox}/${name}`);
    };
    return { ...shelf, create };
  }
  const files: typeof NOTES = Object.assign(Object.create(null), NOTES);
  let room = MEMORY_LIMIT;
  const create = (name: string, size = 0): Saving => {
    if (!isName(name)) throw failure("EACCES", name);
    const parts: Uint8Array[] = [];
    let [length, kept] = [0, false];
    const take = (count: number) => {
      if ((room -= count) < 0) throw failure("ENOSPC", name);
    };
    if (size > room) throw failure("ENOSPC", name);
    const expectFree = () => {
      if (name in files) throw failure("EEXIST", name);
    };
    expectFree();
    return {
      write(bytes) {
        length += bytes.length;
        take(bytes.length);
        parts.push(bytes.slice());
      },
      keep() {
        expectFree();
        take(OVERHEAD);
        const content = new Uint8Array(length);
        let at = 0;
        for (const part of parts) {
          content.set(part, at);
          at += part.length;
        }
        files[name] = () => content;
        kept = true;
      },
      [Symbol.dispose]() {
        if (!kept) room += length;
      },
    };
  };
  return { ...memoryShelf(files), create };
}

/** How much clients may send into memory, in bytes, and what a file counts more. */
const MEMORY_LIMIT = 16 * 1024 * 1024;
const OVERHEAD = 1024;

/** Whether it names a file, and neither a path nor what a shell could take amiss. */
function isName(name: string): boolean {
  return /^[\w-][\w .,+()-]{0,127}$/.test(name);
}

function failure(code: string, name: string): SocketError {
  return new SocketError(code, "save", name);
}
