/**
 * The hostile peers of a datagram server, on the runtime's own sockets.
 */
import dgram, { type Socket } from "node:dgram";
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../../scripts/tools/support/processes.ts";
import { type Attack, garbage, PATIENCE, random } from "./attack.ts";
import type { DatagramExchange } from "./exchanges.ts";

/** The longest datagram that IPv4 carries, in bytes. */
const LONGEST = 65_507;

/**
 * An honest client: returns undefined if it is answered, else what went wrong.
 * It asks again and again, since a datagram may be lost.
 */
export async function ask(
  port: number,
  { say, hear, to }: DatagramExchange,
): Promise<string | undefined> {
  const socket = await open();
  const heard = new Promise<boolean>((resolve) => {
    socket.on("message", (message) => {
      if (hear!.test(message.toString("latin1"))) resolve(true);
    });
  });
  try {
    for (let waited = 0; waited < PATIENCE; waited += 50) {
      send(socket, say, port, to);
      if (!hear || await within(50, heard)) return;
    }
    return `no answer to ${JSON.stringify(say)}`;
  } finally {
    socket.close();
  }
}

/** The attacks on a server, which are made one after the other. */
export function attacks(port: number, exchange: DatagramExchange): Attack[] {
  const { say, to, malformed = [] } = exchange;
  const from = async (
    address: string,
    ...datagrams: (string | Uint8Array)[]
  ) => {
    const socket = await open(address);
    for (const data of datagrams) send(socket, data, port, to);
    await pause(10); // until they are sent
    socket.close(); // an answer finds nobody
  };
  return [
    ["send nothing", () => from("127.0.0.1", "", "", "")],
    ["send half a message", () => from("127.0.0.1", say.slice(0, 3))],
    ["send far too much", () => from("127.0.0.1", random(LONGEST, 3))],
    ["come from other addresses", async () => {
      await from("127.1.2.3", say, say);
      await from("127.255.255.254", say, say);
      await from("0.0.0.0", say, say);
    }],
    ["impersonate the server", () => from("127.0.0.1", "Receiver 1", "ping 1")],
    ["impersonate another server", async () => {
      const socket = await open("127.0.0.2", port);
      for (const data of [say, say]) send(socket, data, port, to);
      await pause(10);
      socket.close();
    }],
    ["send malformed messages", () => from("127.0.0.1", ...malformed)],
    ["come in a crowd", () =>
      Promise.all(
        Array.from({ length: 100 }, () => from("127.0.0.1", say, say)),
      )],
    ["flood", () => flood(port, to)],
    ...Object.entries(garbage()).map(([name, bytes]): Attack => [
      `send ${name}`,
      () => from("127.0.0.1", bytes, bytes),
    ]),
  ];
}

/** Twice as many datagrams as a receive queue holds. */
async function flood(port: number, to?: string): Promise<void> {
  const socket = await open();
  const data = "x".repeat(500);
  for (let sent = 0; sent < 2_000; sent += 100) {
    for (let i = 0; i < 100; i++) send(socket, data, port, to);
    await pause(0);
  }
  socket.close();
}

function open(address = "127.0.0.1", own = 0): Promise<Socket> {
  const socket = dgram.createSocket("udp4").on("error", () => {});
  return new Promise((resolve) => {
    socket.bind(own, address, () => {
      socket.setBroadcast(true);
      resolve(socket);
    });
  });
}

function send(
  socket: Socket,
  data: string | Uint8Array,
  port: number,
  to = "127.0.0.1",
): void {
  const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
  socket.send(bytes, port, to, () => {}); // one that fails is lost
}
