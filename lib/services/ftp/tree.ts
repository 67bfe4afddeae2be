/**
 * What an FTP server has: folders with files, some of which a client may change.
 *
 * @module
 */
import type { Listed } from "../../protocols/ftp_listing.ts";
import type { Saving } from "../save_file.ts";
import type { ShelfFile } from "../shelf.ts";

/**
 * Folders and files by their names, which have parts that are divided by `/`; empty
 * is the root. Failures are SocketErrors: ENOENT for all that is not in the tree,
 * EISDIR, ENOTDIR, EACCES where nothing may be changed, EEXIST, ENOTEMPTY, ENOSPC.
 */
export interface FileTree {
  find(name: string): Promise<Listed>;
  /** The entries of a folder, sorted by name. */
  list(name: string): Promise<Listed[]>;
  open(name: string): Promise<ShelfFile>;
  /** Whether files may be created in a folder. */
  writable(folder: string): Promise<boolean>;
  /** Begins a file, which replaces one of that name once it is whole. */
  save(name: string): Promise<Saving>;
  makeFolder(name: string): Promise<void>;
  removeFile(name: string): Promise<void>;
  /** An empty one. */
  removeFolder(name: string): Promise<void>;
  /** Replaces nothing. */
  rename(from: string, to: string): Promise<void>;
}

/** The folder of a name, and its last part. */
export function split(name: string): [folder: string, last: string] {
  const at = name.lastIndexOf("/");
  return [name.slice(0, Math.max(0, at)), name.slice(at + 1)];
}
