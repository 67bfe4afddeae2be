/**
 * Finds the true error of a call, where a runtime tells another one or none.
 * Loaded after such a failure.
 *
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "../socket_error.ts";

/** Why bind(2) failed with EACCES, as libuv has it: ENOENT for its folder. */
export function bindCode(path: string): string {
  return codeOfStat(dirname(path)) ?? "EACCES";
}

/**
 * Why connect(2) failed with ECONNREFUSED, as Bun has it: ENOENT, ENOTDIR,
 * ELOOP, EACCES; EPROTOTYPE for a socket of datagrams; EAGAIN if somebody listens
 * and the backlog is full.
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

/**
 * Why there is no route to a host, which Bun calls ECONNREFUSED over TCP, and of
 * which its connect() of datagrams says nothing: sendto(2) tells. If there is a
 * route, an empty datagram goes to the first router.
 */
export async function routeByUdp(host: string): Promise<string | undefined> {
  if (host === "255.255.255.255") return "ENETUNREACH"; // TCP has no broadcast
  const { default: dgram } = await import("node:dgram");
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  return await new Promise((resolve) => {
    socket.on("error", () => resolve(undefined));
    socket.bind(0, () => {
      socket.setTTL(1);
      socket.send("", DISCARD, host, (error) => {
        socket.close();
        resolve(error ? codeOf(error) : undefined);
      });
    });
  });
}

/**
 * Why Deno's node:dgram could not send, of which it says "UNKNOWN": connect(2)
 * over TCP tells at once of a missing route. If there is one, a firewall refuses
 * the datagram, EPERM; all else is checked before.
 */
export async function routeByTcp(hostname: string): Promise<string> {
  const stop = new AbortController();
  const { signal } = stop;
  setTimeout(() => stop.abort(), 0);
  try {
    (await Deno.connect({ hostname, port: DISCARD, signal })).close();
  } catch (error) {
    const code = codeOf(error);
    if (!signal.aborted && code !== "ECONNREFUSED") return code;
  }
  return "EPERM";
}

/** The port of RFC 863. */
const DISCARD = 9;
