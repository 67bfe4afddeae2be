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

/** Says who has a path that is taken, and what to do about it. */
export async function pathOwner(path: string): Promise<string> {
  const file = path.startsWith("\0") ? "a socket" : await kindOf(path);
  if (file !== "a socket") return `'${path}' is ${file}: choose another path`;
  const visitor = socket(AF_UNIX, SOCK_STREAM);
  try {
    await visitor.connect(path);
    return `A server is running on '${path}'`;
  } catch (error) {
    if ((error as SocketError).code !== "ECONNREFUSED") throw error;
    return `No server has '${path}': if a killed one left it, remove it`;
  } finally {
    await visitor.close();
  }
}

async function kindOf(path: string): Promise<string> {
  const { default: fs } = await import("node:fs");
  try {
    return fs.statSync(path).isSocket() ? "a socket" : "no socket";
  } catch {
    return "a symbolic link that leads nowhere";
  }
}
