/**
 * Finds the true error of an AF_UNIX call, where a runtime tells another one.
 * Loaded after such a failure.
 *
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Why bind(2) failed with EACCES, as libuv has it: ENOENT for its folder. */
export function bindCode(path: string): string {
  return codeOfStat(dirname(path)) ?? "EACCES";
}

/**
 * Why connect(2) failed with ECONNREFUSED, as Bun has it: ENOENT, ENOTDIR,
 * ELOOP, EACCES; EPROTOTYPE for a socket of datagrams; EAGAIN if somebody listens and the backlog is full.
 */
export function connectCode(path: string): string {
  const abstract = path.startsWith("\0");
  const code = abstract ? undefined : codeOfStat(path);
  if (code) return code;
  const name = abstract ? `@${path.slice(1)}` : path;
  try {
    const sockets = readFileSync("/proc/net/unix", "latin1").split("\n")
      .filter((line) => line.endsWith(` ${name}`))
      .map((line) => line.split(" "));
    // Its type is not 0001, SOCK_STREAM: proc_net_unix(5).
    if (sockets.some(([, , , , type]) => type !== "0001")) return "EPROTOTYPE";
    // The flag 00010000 is __SO_ACCEPTCON: it listens.
    const listens = sockets.some(([, , , flags]) => flags === "00010000");
    return listens ? "EAGAIN" : "ECONNREFUSED";
  } catch {
    return "ECONNREFUSED"; // no Linux
  }
}

function codeOfStat(path: string): string | undefined {
  try {
    statSync(path);
  } catch (error) {
    return (error as { code: string }).code;
  }
}
