/**
 * Listens on this machine only, and serves browsers.
 *
 * @module
 */
import { HTTP_LIMITS } from "../../../lib/protocols/http_lines.ts";
import type { HttpRequest } from "../../../lib/protocols/http.ts";
import type { Answer } from "../../../lib/services/http_answer.ts";
import { HttpConnection } from "../../../lib/services/http_server.ts";
import {
  AF_INET,
  AF_INET6,
  SOCK_STREAM,
  socket,
} from "../../../lib/sockets/socket.ts";
import { SocketError } from "../../../lib/sockets/socket_error.ts";
import type { StreamSocket } from "../../../lib/sockets/stream_socket.ts";
import { ToolError } from "../support/tool.ts";

/**
 * Listens on a port, or a free one if it is 0; also over IPv6 if that can be had.
 * Throws a ToolError if the port is taken.
 */
export async function listenOn(wanted: number): Promise<StreamSocket[]> {
  const first = socket(AF_INET, SOCK_STREAM);
  try {
    await first.bind(["127.0.0.1", wanted]);
    await first.listen();
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    throw new ToolError(`${error.message} (--port takes another)`);
  }
  try {
    const second = socket(AF_INET6, SOCK_STREAM);
    await second.bind(["::1", portOf(first)]);
    await second.listen();
    return [first, second];
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return [first]; // it is taken, or this machine has no IPv6
  }
}

/** The port of a listener. */
export function portOf(listener: StreamSocket): number {
  return Number(listener.getsockname()[1]);
}

/** Serves clients until the listener is closed. */
export async function serveAll(
  listener: StreamSocket,
  answer: (request: HttpRequest) => Answer | Promise<Answer>,
): Promise<void> {
  const clients = new Set<StreamSocket>();
  for await (const [client] of listener) {
    if (clients.size === MOST_CLIENTS) {
      client.close();
      continue;
    }
    clients.add(client);
    serve(client, answer).catch((error) => {
      if (!(error instanceof SocketError)) console.error(error);
    }).finally(() => {
      clients.delete(client);
      return client.close();
    });
  }
  await Promise.all([...clients].map((client) => client.close()));
}

async function serve(
  client: StreamSocket,
  answer: Parameters<typeof serveAll>[1],
): Promise<void> {
  client.settimeout(IDLE);
  const limits = { ...HTTP_LIMITS, body: LARGEST };
  const http = new HttpConnection(client, { limits });
  for await (const request of http) await http.answer(await answer(request));
}

/** A browser opens six at most for a page. */
const MOST_CLIENTS = 64;
/** How long a connection may be idle, in ms. */
const IDLE = 60_000;
/** Of an order, in bytes. */
const LARGEST = 8192;
