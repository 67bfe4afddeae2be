/**
 * A WebSocket client on the runtime's own sockets, which may break every rule.
 */
import net, { type Socket } from "node:net";

/** The example of RFC 6455 section 1.3: a key, and its right answer. */
export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** The request for a WebSocket, with other fields, or without some. */
export function requestFor(
  path: string,
  port: string,
  fields: Record<string, string | undefined> = {},
  first = `GET ${path} HTTP/1.1`,
): string {
  const all: Record<string, string | undefined> = {
    Host: `127.0.0.1:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...fields,
  };
  let text = `${first}\r\n`;
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** What is heard on a connection. */
export interface Raw {
  readonly socket: Socket;
  /** All bytes so far, as latin1. */
  heard(): string;
  /** Resolves when a text has come, in latin1. */
  hears(text: string): Promise<void>;
  /** Resolves at the end, to all bytes behind the head of the answer. */
  readonly ended: Promise<Uint8Array<ArrayBuffer>>;
}

/** Connects, and sends a request at once. */
export function dial(port: string, request: string): Raw {
  const socket = net.connect({
    port: Number(port),
    host: "127.0.0.1",
    noDelay: true,
    allowHalfOpen: true,
  });
  let text = "";
  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  let over = false;
  const ended = new Promise<Uint8Array<ArrayBuffer>>((resolve) => {
    const end = () => {
      over = true;
      change();
      const at = text.indexOf("\r\n\r\n") + 4;
      resolve(new Uint8Array(Buffer.from(text.slice(at), "latin1")));
      socket.end();
    };
    socket.on("end", end).on("close", end).on("error", end);
  });
  socket.on("data", (data: Uint8Array) => {
    text += Buffer.from(data).toString("latin1");
    change();
  });
  socket.write(request);
  return {
    socket,
    ended,
    heard: () => text,
    async hears(wanted) {
      while (!text.includes(wanted)) {
        if (over) throw new Error(`ended without ${wanted}: ${text}`);
        await changed.promise;
      }
    },
  };
}
