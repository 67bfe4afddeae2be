/**
 * The hostile servers that a client may meet, on the runtime's own sockets. Each
 * has one port: of TCP, of UDP, and the abstract AF_UNIX name with that number.
 */
import dgram, { type RemoteInfo, type Socket as Datagrams } from "node:dgram";
import net, { type AddressInfo, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { encodeMessage, FLAGS } from "../../lib/protocols/dns.ts";
import { requestIn as questionIn } from "../../lib/protocols/dns_exchange.ts";
import { formatCommand, parseCommand } from "../../lib/protocols/quake.ts";
import { answerTo, pack, requestIn } from "../../lib/protocols/sntp.ts";
import { garbage } from "./attack.ts";

/** What a server does with a connection; it answers datagrams honestly. */
const STREAMS: Record<string, (socket: Socket) => unknown> = {
  "says nothing": () => {},
  "hangs up": (socket) => socket.end(),
  "resets": (socket) => socket.resetAndDestroy(),
  "resets after the first bytes": (socket) =>
    socket.once("data", () => socket.resetAndDestroy()),
  "sends garbage, and ends": (socket) => {
    for (const bytes of Object.values(garbage())) socket.write(bytes);
    socket.end();
  },
  "sends without end": (socket) => pour(socket, "x".repeat(65536)),
  "sends lines without end": (socket) =>
    pour(socket, "message 0\n".repeat(6500)),
  "sends a byte now and then": (socket) => drip(socket, "x"),
  "sends an empty line now and then": (socket) => drip(socket, "\n"),
};

/** What a server does with a datagram; it reads each stream to its end. */
type Receive = (datagram: Datagram) => unknown;

interface Datagram {
  request: Uint8Array;
  server: Datagrams;
  /** Sends from the server's port. */
  answer(bytes: Uint8Array | string): void;
  /** Sends from another port. */
  stray(bytes: Uint8Array | string): void;
}

const DATAGRAMS: Record<string, Receive> = {
  "is silent": () => {},
  "answers with garbage": ({ answer }) =>
    Object.values(garbage()).forEach(answer),
  "sends garbage at a rate": ({ server, answer }) =>
    atARate(server, () => answer(garbage()["random bytes"])),
  "sends at a rate what it got": ({ request, server, answer }) =>
    atARate(server, () => answer(request)),
  "floods": ({ server, answer }) =>
    atARate(server, () => {
      for (let i = 0; i < 50; i++) answer("x".repeat(1000));
    }),
  "does not answer, but another port does at a rate": (
    { request, server, stray },
  ) => atARate(server, () => stray(honest(request))),
  "answers beside garbage from another port": (
    { request, server, answer, stray },
  ) => {
    atARate(server, () => stray(garbage()["random bytes"]));
    answer(honest(request));
  },
  "answers twice": ({ request, answer }) => {
    answer(honest(request));
    answer(honest(request));
  },
  "answers a second late": ({ request, answer }) =>
    void pause(1000).then(() => answer(honest(request))),
};

/** What the clients of all experiments take for an answer. */
function honest(request: Uint8Array): Uint8Array | string {
  const wanted = requestIn(request);
  if (wanted) return pack(answerTo(wanted, Date.now(), Date.now()));
  const { reply } = questionIn(request) ?? {};
  if (reply?.rcode === "NOERROR") { // the answer is on the stream
    return encodeMessage({ ...reply, flags: reply.flags | FLAGS.TC });
  }
  const step = parseCommand(request)?.command ?? "";
  if (GAME[step]) return formatCommand(GAME[step]);
  const text = new TextDecoder().decode(request);
  return text === "Is anybody there?" ? "Receiver 1" : request;
}

/** How a player is let into a game; no state follows. */
const GAME: Record<string, Parameters<typeof formatCommand>[0]> = {
  getchallenge: { command: "challengeResponse", words: "0123456789abcdef" },
  connect: {
    ...{ command: "connectResponse", info: { key: "0".repeat(16), side: "0" } },
  },
};

/** A hostile server that runs. */
export interface HostileServer {
  readonly kind: "stream" | "datagram";
  /** What it does. */
  readonly behaviour: string;
  readonly port: number;
  /** The most bytes that one connection has taken. */
  taken(): number;
  close(): void;
}

/** Starts a server for each behaviour. */
export function startServers(): Promise<HostileServer[]> {
  return Promise.all([
    ...Object.entries(STREAMS).map(([behaviour, accept]) =>
      startServer({ kind: "stream", behaviour }, accept, answerHonestly)
    ),
    ...Object.entries(DATAGRAMS).map(([behaviour, receive]) =>
      startServer({ kind: "datagram", behaviour }, readToEnd, receive)
    ),
  ]);
}

async function startServer(
  what: Pick<HostileServer, "kind" | "behaviour">,
  accept: (socket: Socket) => unknown,
  receive: Receive,
): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  let most = 0;
  const accepted = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => {
      most = Math.max(most, socket.bytesWritten);
      sockets.delete(socket);
    });
    accept(socket);
  };
  const options = { allowHalfOpen: true };
  const tcp = net.createServer(options, accepted);
  const unix = net.createServer(options, accepted);
  const [port, server] = await openBoth(tcp);
  await listen(unix, { path: `\0socket-lab-${port}` });
  const other = await udp(0);
  server.on("message", (request: Uint8Array, { address, port }: RemoteInfo) => {
    const by = (from: Datagrams) => (bytes: Uint8Array | string) => {
      if (!closed) from.send(bytes, port, address, () => {});
    };
    receive({ request, server, answer: by(server), stray: by(other) });
  });
  let closed = false;
  return {
    ...what,
    port,
    taken: () => most,
    close() {
      closed = true;
      for (const one of [tcp, unix, server, other]) one.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The free port that TCP gets may be taken for UDP: then it gets another. */
async function openBoth(tcp: net.Server): Promise<[number, Datagrams]> {
  while (true) {
    await listen(tcp, { host: "127.0.0.1", port: 0 });
    const { port } = tcp.address() as AddressInfo;
    const server = await udp(port).catch(() => {});
    if (server) return [port, server];
    await new Promise((closed) => tcp.close(closed));
  }
}

/** Of any host, since one of the clients sends a broadcast. */
function udp(port: number): Promise<Datagrams> {
  const socket = dgram.createSocket("udp4").setMaxListeners(0);
  return new Promise((resolve, reject) => {
    socket.on("error", reject).bind(port, () => resolve(socket));
  });
}

function listen(server: net.Server, where: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on("error", reject).listen(where, resolve);
  });
}

/** So much is sent to a client that takes everything. */
export const ENDLESS = 64 * 1024 * 1024;

function pour(socket: Socket, chunk: string): void {
  const more = () => {
    while (!socket.destroyed && socket.bytesWritten < ENDLESS) {
      if (!socket.write(chunk)) return;
    }
  };
  socket.resume().on("drain", more);
  more();
}

function drip(socket: Socket, bytes: string): void {
  const timer = setInterval(() => socket.write(bytes), 100);
  socket.resume().on("close", () => clearInterval(timer));
}

function answerHonestly({ request, answer }: Datagram): void {
  answer(honest(request));
}

function readToEnd(socket: Socket): void {
  socket.resume().on("end", () => socket.end());
}

function atARate(server: Datagrams, act: () => void): void {
  const timer = setInterval(act, 20);
  server.on("close", () => clearInterval(timer));
}
