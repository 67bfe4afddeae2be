/**
 * Keeps a second writer from a file by the name of a socket, because the kernel
 * frees that name however its process ends. A lock file outlives a kill -9, and
 * of the three runtimes only Deno has flock(2).
 *
 * @module
 */
import { platform } from "node:os";
import { AF_UNIX, SOCK_STREAM, socket } from "../sockets/socket.ts";
import type { SocketError } from "../sockets/socket_error.ts";

/** The numbers by which stat(2) tells files apart, whatever their paths are. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** A file that nobody else may write. */
export interface FileLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a file; undefined if another process has it. Only Linux has
 * such names (unix(7), "abstract"), in each network namespace its own: elsewhere
 * nobody is kept away, and `CAN_LOCK` is false.
 */
export async function lockFile(
  { dev, ino }: Identity,
): Promise<FileLock | undefined> {
  if (!CAN_LOCK) return { release: () => Promise.resolve() };
  const holder = socket(AF_UNIX, SOCK_STREAM);
  try {
    await holder.bind(`\0socket-lab-file-${dev}-${ino}`);
    await holder.listen(1);
    return { release: () => holder.close() };
  } catch (error) {
    await holder.close();
    if ((error as SocketError).code !== "EADDRINUSE") throw error;
  }
}

/** Whether a lock keeps anybody away on this system. */
export const CAN_LOCK = platform() === "linux";
