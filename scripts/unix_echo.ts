/**
 * AF_UNIX: the same calls on one machine, with a path for an address; only the
 * server needs a name. A name that begins with a NUL byte is no file (Linux).
 *
 *     deno run --allow-net scripts/unix_echo.ts
 *     bun scripts/unix_echo.ts
 *     node scripts/unix_echo.ts
 *
 * With `--path FILE` the name is a file; Deno then wants more permissions:
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

export async function server(end: End) {
  const { print, ready, serve } = end;
  // 1. Create a socket, bind it to a path, and listen. If the path is taken,
  //    say by whom.
  const path = pathOf(end);
  const listener = socket(AF_UNIX, SOCK_STREAM);
  await listener.bind(path);
  try {
    await listener.listen();
  } catch (error) {
    if (error instanceof SocketError && error.code === "EADDRINUSE") {
      print(await owner(path));
    }
    throw error;
  }
  ready(listener);
  print(`My name is '${listener.getsockname()}'`);

  // 2. Accept each client; it has no name unless it bound one.
  let echoed = 0;
  for await (const [client, name] of listener) {
    await serve(client, async () => {
      print(`A client whose name is '${name}'`);

      // 3. Send back what it sends, until it has no more.
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

export async function client(end: End) {
  // 1. Create a socket, connect it to the server's path, and tell the names.
  const connection = socket(AF_UNIX, SOCK_STREAM);
  await connection.connect(pathOf(end));
  const names = [connection.getsockname(), connection.getpeername()];
  end.print(`My name is '${names[0]}', the server's '${names[1]}'`);

  // 2. Send a text, say that this is all, and receive it back.
  await connection.sendall("Hello through a socket");
  await connection.shutdown(SHUT_WR);
  const echo = decode(await new Reader(connection).all());
  await connection.close();
  end.print("Received:", echo);
  return { echo, names };
}

/** The path to use; both ends in one process take one that nobody else has. */
function pathOf({ address, flags }: End): string {
  if (typeof address === "string") return address;
  const [, port] = address;
  return flags.path ??
    `\0socket-lab-${port || crypto.randomUUID().slice(0, 8)}`;
}

/** Who has a path: the file of a server that was killed stays behind. */
async function owner(path: string): Promise<string> {
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

if (import.meta.main) {
  const path = { takes: "a path", pattern: /./, help: "a file to listen on" };
  const flags = { path };
  await experiment({ url: import.meta.url, port: 8000, flags, server, client });
}
