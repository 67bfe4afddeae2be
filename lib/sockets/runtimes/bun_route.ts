/**
 * Finds out why there is no way to a host, of which Bun's connects say nothing,
 * or ECONNREFUSED.
 *
 * @module
 */
import dgram from "node:dgram";
import { codeOf } from "../socket_error.ts";

/**
 * The error of the route, which sendto(2) tells. If there is a way, an empty
 * datagram goes as far as the first router.
 */
export async function routeCode(host: string): Promise<string | undefined> {
  if (host === "255.255.255.255") return "ENETUNREACH"; // TCP has no broadcast
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  return await new Promise((resolve) => {
    socket.bind(0, () => {
      socket.setTTL(1);
      socket.send("", DISCARD, host, (error) => {
        socket.close();
        resolve(error ? codeOf(error) : undefined);
      });
    });
  });
}

/** The port of RFC 863. */
const DISCARD = 9;
