/**
 * Programs whose last line has run while sockets are open: `life.ts` runs them
 * and sees whether they end. The first argument names the programs, the second
 * is the port of a server that accepts, says nothing, and never closes.
 *
 * @module
 */
import process from "node:process";
import {
  AF_INET,
  AF_UNIX,
  decode,
  Reader,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../../lib/mod.ts";

/** Nobody waits for anything when they have run: they end. */
export const ENDING: Record<string, () => Promise<unknown>> = {
  async "a socket that is bound"() {
    await socket(AF_INET, SOCK_STREAM).bind(["127.0.0.1", 0]);
  },
  async "a listener"() {
    await listening();
  },
  async "a listener of AF_UNIX"() {
    const server = socket(AF_UNIX, SOCK_STREAM);
    await server.bind(`\0lab-${crypto.randomUUID()}`);
    await server.listen();
  },
  async "a listener whose accept() was aborted"() {
    const server = await listening();
    await server.accept({ signal: AbortSignal.timeout(20) }).catch(() => {});
  },
  async "a listener whose loop was left"() {
    const server = await listening();
    const iterator = server[Symbol.asyncIterator]();
    iterator.next();
    await iterator.return!();
  },
  async "a client that has sent"() {
    const client = await connected();
    await client.sendall("I forget to close this");
  },
  async "a client that is bound"() {
    const client = socket(AF_INET, SOCK_STREAM);
    await client.bind(["127.0.0.2", 0]);
    await client.connect(SERVER);
  },
  async "an accepted client"() {
    await both();
  },
  async "a client that nobody accepted"() {
    const server = await listening();
    const client = socket(AF_INET, SOCK_STREAM);
    await client.connect(server.getsockname());
    await client.sendall("unread");
  },
  async "a client that has received a part"() {
    const [client, server] = await both();
    await server.sendall("unread and read");
    await client.recv(4);
  },
  async "a recv() that timed out"() {
    const client = await connected();
    client.settimeout(20);
    await client.recv(10).catch(() => {});
    await client.recv_into(new Uint8Array(10)).catch(() => {});
  },
  async "a recv() that was aborted"() {
    const [client, server] = await both();
    for (const end of [client, server]) {
      await end.recv(1, { signal: AbortSignal.timeout(10) }).catch(() => {});
    }
  },
  async "a Reader whose line() timed out"() {
    const client = await connected();
    client.settimeout(20);
    await new Reader(client).line().catch(() => {});
  },
  async "a sendall() that timed out"() {
    const client = await connected();
    client.settimeout(20);
    await client.sendall(new Uint8Array(64 * 1024 * 1024)).catch(() => {});
  },
  async "a half-closed client"() {
    const client = await connected();
    await client.shutdown("SHUT_WR");
  },
  async "a connect() that was given up"() {
    for (const bound of [false, true]) {
      const client = socket(AF_INET, SOCK_STREAM);
      if (bound) await client.bind(["127.0.0.2", 0]);
      const controller = new AbortController();
      const connecting = client.connect(SERVER, controller);
      controller.abort();
      await connecting.catch(() => {});
    }
  },
  async "datagram sockets"() {
    const [receiver, sender] = [datagrams(), datagrams()];
    await receiver.bind(["127.0.0.1", 0]);
    await sender.sendto("unread", receiver.getsockname());
    await datagrams().connect(receiver.getsockname());
  },
  async "datagram sockets that timed out, and whose loop was left"() {
    const receiver = datagrams();
    await receiver.bind(["127.0.0.1", 0]);
    receiver.settimeout(20);
    await receiver.recvfrom(10).catch(() => {});
    receiver.settimeout(null);
    const iterator = receiver[Symbol.asyncIterator]();
    iterator.next();
    await iterator.return!();
  },
};

/**
 * Waits for one thing after the other, and tells what came; nothing else keeps
 * the process alive. `life.ts` is the other end.
 */
async function waiting(): Promise<void> {
  const server = await listening();
  const receiver = datagrams();
  await receiver.bind(["127.0.0.1", 0]);
  console.log(
    JSON.stringify([server, receiver].map((one) => one.getsockname())),
  );
  const [client] = await server.accept();
  console.log("accept");
  console.log(decode(await client.recv(100)));
  const buffer = new Uint8Array(100);
  console.log(decode(buffer.subarray(0, await client.recv_into(buffer))));
  console.log(await new Reader(client).line());
  console.log(decode((await receiver.recvfrom(100))[0]));
  for await (const [data] of receiver) {
    console.log(decode(data));
    break;
  }
  await client.sendall(new Uint8Array(16 * 1024 * 1024));
  console.log("sendall");
  for await (const [next] of server) {
    console.log(decode(await next.recv(100)));
    break;
  }
}

// --- sockets ---

const SERVER: [host: string, port: number] = [
  "127.0.0.1",
  Number(process.argv[3]),
];

async function listening(): Promise<StreamSocket> {
  const server = socket(AF_INET, SOCK_STREAM);
  await server.bind(["127.0.0.1", 0]);
  await server.listen();
  return server;
}

async function connected(): Promise<StreamSocket> {
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(SERVER);
  return client;
}

async function both(): Promise<[client: StreamSocket, server: StreamSocket]> {
  const listener = await listening();
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(listener.getsockname());
  const [server] = await listener.accept();
  return [client, server];
}

function datagrams() {
  return socket(AF_INET, SOCK_DGRAM);
}

if (import.meta.main) {
  const [, , program] = process.argv;
  if (program === "waiting") await waiting();
  else for (const name of program.split("; ")) await ENDING[name]();
  console.log("done");
}
