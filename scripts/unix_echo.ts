/**
 * Sockets within one machine: the same calls with AF_UNIX and a path as the
 * address. Only the server needs one; on Linux one that begins with a NUL byte
 * is not a file.
 *
 * Aim: To connect two programs on one machine by a path in place of host and
 * port.
 *
 *     deno run --allow-net scripts/unix_echo.ts
 *     bun scripts/unix_echo.ts
 *     node scripts/unix_echo.ts
 *
 * With `--path FILE` the path is a file; Deno then needs
 * `--allow-net --allow-read=FILE --allow-write=FILE`.
 *
 * Output:
 *
 *     server: My name is '<path>'
 *     server: A client whose name is ''
 *     client: My name is '', the server's '<path>'
 *     client: Received: Hello through a socket
 */
import {
  AF_UNIX,
  decode,
  type End,
  experiment,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { pathOf, pathOwner } from "../lib/services/unix_path.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket, bind it to a path, and listen. If the path is taken,
  //    print who has it.
  const path = pathOf(address, flags.path);
  const listener = socket(AF_UNIX, SOCK_STREAM);
  try {
    await listener.bind(path);
    await listener.listen();
  } catch (error) {
    if (error instanceof SocketError && error.code === "EADDRINUSE") {
      print(await pathOwner(path));
    }
    throw error;
  }
  ready(listener);
  print(`My name is '${listener.getsockname()}'`);

  // 2. Accept each client; it has no name unless it has called bind().
  let echoed = 0;
  for await (const [client, name] of listener) {
    await serve(client, async () => {
      print(`A client whose name is '${name}'`);

      // 3. Send back what it sends, until the end of the stream.
      while (true) {
        const bytes = await client.recv(1024);
        if (bytes.length === 0) break;
        await client.sendall(bytes);
        echoed += bytes.length;
      }
    });
  }
  return echoed;
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket, connect it to the server's path, and print both names.
  const connection = socket(AF_UNIX, SOCK_STREAM);
  await connection.connect(pathOf(address, flags.path));
  const names = [connection.getsockname(), connection.getpeername()];
  print(`My name is '${names[0]}', the server's '${names[1]}'`);

  // 2. Send a text, end the stream, and receive the text back.
  await connection.sendall("Hello through a socket");
  await connection.shutdown(SHUT_WR);
  const echo = decode(await new Reader(connection).all());
  await connection.close();
  const same = echo === "Hello through a socket";
  if (!same) throw new SocketError("EPROTO", "recv", names[1]);
  print("Received:", echo);
  return { echo, names };
}

if (import.meta.main) {
  const path = { takes: "a path", pattern: /./, help: "a file to listen on" };
  const flags = { path };
  await experiment({ url: import.meta.url, port: 8000, flags, server, client });
}
