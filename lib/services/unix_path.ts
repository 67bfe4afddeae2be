/**
 * Paths of AF_UNIX servers: one that is free by default, and who has one that is
 * taken, because a server that was killed leaves its file behind.
 *
 * @module
 */
import type { Address } from "../sockets/address.ts";
import { SYSTEM } from "../sockets/runtimes/system.ts";
import { AF_UNIX, SOCK_STREAM, socket } from "../sockets/socket.ts";
import type { SocketError } from "../sockets/socket_error.ts";

/**
 * The path of a server's address; without one a name that contains the port, or
 * is unique if the port is 0. On Linux it is abstract, elsewhere it is a file.
 */
export function pathOf(address: Address, path?: string): string {
  if (typeof address === "string") return address;
  const [, port] = address;
  const name = `socket-lab-${port || crypto.randomUUID().slice(0, 8)}`;
  return path ?? (SYSTEM === "linux" ? "\0" : "/tmp/") + name;
}

/**
 * Says who or what has a path that is taken, and what to do: of all that may have
 * it, only a stale socket can be removed without a loss.
 */
export async function pathOwner(path: string): Promise<string> {
  const visitor = socket(AF_UNIX, SOCK_STREAM);
  try {
    await visitor.connect(path);
    return `A server is running on '${path}'`;
  } catch (error) {
    const kind = await kindOf(path);
    if (kind) return `'${path}' is ${kind}, no socket: choose another path`;
    return (error as SocketError).code === "ECONNREFUSED"
      ? `No server has '${path}': if a killed one left it, remove it`
      : `Another program has '${path}'`;
  } finally {
    await visitor.close();
  }
}

/** What the path names, if it is not a socket. */
async function kindOf(path: string): Promise<string | undefined> {
  if (path.startsWith("\0")) return;
  const { lstat } = await import("node:fs/promises");
  const found = await lstat(path);
  if (found.isSocket()) return;
  if (found.isSymbolicLink()) return "a symbolic link";
  return found.isDirectory() ? "a folder" : "a file";
}
