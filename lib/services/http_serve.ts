/**
 * Serves HTTP for a program that is no experiment: many clients at once, none of
 * which can hold up the others or fill the memory.
 *
 * @module
 */
import type { HttpRequest } from "../protocols/http.ts";
import { HTTP_LIMITS } from "../protocols/http_lines.ts";
import { AF_INET, AF_INET6, SOCK_STREAM, socket } from "../sockets/socket.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import type { Answer } from "./http_answer.ts";
import { HttpConnection } from "./http_server.ts";

/**
 * Listens on this machine alone, on a free port if it is 0; over IPv6, too, if that
 * can be had. Throws the SocketError of bind(2).
 */
export async function listenHere(port: number): Promise<StreamSocket[]> {
  const first = socket(AF_INET, SOCK_STREAM);
  await first.bind(["127.0.0.1", port]);
  await first.listen();
  try {
    const second = socket(AF_INET6, SOCK_STREAM);
    await second.bind(["::1", Number(first.getsockname()[1])]);
    await second.listen();
    return [first, second];
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return [first];
  }
}

/** What is done with a request; it must not fail. */
export type Answering = (request: HttpRequest) => Promise<Answer>;

/**
 * Serves clients until the listener is closed, and then closes their connections.
 * A body has at most `body` bytes.
 */
export async function serveHttp(
  listener: StreamSocket,
  answer: Answering,
  { body = HTTP_LIMITS.body } = {},
): Promise<void> {
  const clients = new Set<StreamSocket>();
  const limits = { ...HTTP_LIMITS, body };
  for await (const [client] of listener) {
    if (clients.size === CLIENTS) {
      client.close();
      continue;
    }
    clients.add(client);
    serve(client).finally(() => {
      clients.delete(client);
      return client.close();
    });
  }
  await Promise.all([...clients].map((client) => client.close()));

  async function serve(client: StreamSocket): Promise<void> {
    try {
      client.settimeout(IDLE);
      const http = new HttpConnection(client, { limits });
      for await (const request of http) {
        await http.answer(await answer(request));
      }
    } catch (error) {
      if (!(error instanceof SocketError)) throw error;
    }
  }
}

/** How many are served at once; a browser opens six connections to a host. */
const CLIENTS = 64;
/** How long a connection may be idle, in ms. */
const IDLE = 60_000;
