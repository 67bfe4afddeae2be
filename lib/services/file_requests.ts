/**
 * The files that a client asks a server for, one after the other on a connection;
 * what cannot be served is answered here.
 *
 * @module
 */
import {
  formatError,
  parseRequest,
  REQUEST_LIMIT,
} from "../protocols/file_transfer.ts";
import { Reader } from "../sockets/reader.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { StreamSocket } from "../sockets/stream_socket.ts";
import type { Shelf, ShelfFile } from "./shelf.ts";

/** An open file, and how many of its bytes the client asks for. */
interface Requested {
  readonly file: ShelfFile;
  readonly end: number;
}

/**
 * Reads a client's requests up to the end of the stream, or to a line that is
 * none. Each file is closed when the next one is asked for. A refusal is printed.
 */
export async function* requestsOf(
  client: StreamSocket,
  shelf: Shelf,
  print: (line: string) => void,
): AsyncGenerator<Requested, void> {
  const reader = new Reader(client);
  const limits = { limit: REQUEST_LIMIT };
  for (let line; (line = await reader.line(limits)) !== null;) {
    const request = parseRequest(line);
    if (!request) return await client.sendall(formatError("EPROTO"));
    const found = await shelf.open(request.name).catch(refusalOf);
    if (found instanceof SocketError) {
      print(found.message);
      await client.sendall(formatError(found.code));
      continue;
    }
    const { size } = found;
    try {
      yield { file: found, end: request.half ? Math.floor(size / 2) : size };
    } finally {
      await found.close();
    }
  }
}

/** The error, which the client is told; anything else is a fault of the server. */
function refusalOf(error: unknown): SocketError {
  if (error instanceof SocketError) return error;
  throw error;
}
