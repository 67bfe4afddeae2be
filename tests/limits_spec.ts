/**
 * The limits of the servers, the same in every experiment: how long a client
 * may be silent, how many are served at once, how long a line may be, what is
 * kept of former clients, and who can connect.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import dgram from "node:dgram";
import net from "node:net";
import { type Experiment, limits } from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import type { Address, DatagramSocket, StreamSocket } from "../lib/mod.ts";
import { RECEIVE_QUEUE_LIMIT } from "../lib/sockets/inbox.ts";
import { MESSAGE_LIMIT } from "../lib/sockets/reader.ts";
import { ask as honestly } from "./hostile/datagram_peers.ts";
import { type DatagramExchange, EXCHANGES } from "./hostile/exchanges.ts";
import * as honest from "./hostile/stream_peers.ts";
import {
  commandFor,
  run as runCommand,
  type Running,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { GUIDED, load, ROOT, SCRIPTS } from "./support/scripts.ts";
import { testOn } from "./support/test_on.ts";

const NAMES = SCRIPTS.filter((script) => !GUIDED.includes(script))
  .map((script) => script.slice(0, -3));
const DATAGRAMS = NAMES.filter((name) => EXCHANGES[name].kind === "datagram");
const STREAMS = NAMES.filter((name) => EXCHANGES[name].kind === "stream");
/** Servers that send their message and close. */
const BRIEF = ["tcp_hello", "tcp_thank_you"];

setDefaultTimeout(30_000);
const own = { ...limits };
afterEach(() => void Object.assign(limits, own));

/** Runs both ends in this process; resolves to the outcome and the notes. */
async function play(
  name: string,
  client: Experiment["client"],
  wrapped: (server: Server) => Server = (server) => server,
) {
  const { server, ...experiment } = await load(name);
  const notes: string[] = [];
  const outcome = await run(
    { ...experiment, server: wrapped(server), client },
    {},
    (_, line, note) => void (note && notes.push(line)),
  );
  return { ...outcome, notes };
}

type Server = Experiment["server"];

/** Runs a server alone, for so many clients; resolves to its notes. */
async function playAlone(
  name: string,
  clients: number,
  act: (target: honest.Target) => Promise<unknown>,
): Promise<string[]> {
  const experiment = await load(name);
  const listening = Promise.withResolvers<Address>();
  const server: Server = (end) =>
    experiment.server({
      ...end,
      ready(...listeners) {
        listening.resolve(listeners[0].getsockname());
        end.ready(...listeners);
      },
    });
  const notes: string[] = [];
  const ended = run(
    { ...experiment, server },
    { role: "server", port: 0, clients },
    (_, line, note) => void (note && notes.push(line)),
  );
  await act(targetOf(await listening.promise));
  await ended;
  return notes.filter((note) => !note.startsWith("Listening on "));
}

/** The address for raw sockets. */
function targetOf(address: Address): honest.Target {
  return typeof address === "string"
    ? { path: address }
    : { host: "127.0.0.1", port: Number(address[1]) };
}

async function connected(target: honest.Target): Promise<net.Socket> {
  const socket = net.connect(target).on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket.resume();
}

function closed(socket: net.Socket): Promise<unknown> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once("close", resolve));
}

/** Those that serve one client after the other. */
const SERIAL = ["tcp_backlog", "tcp_concurrent"];

/** An honest client of a stream is served. */
async function expectServed(name: string, target: honest.Target) {
  const exchange = EXCHANGES[name];
  if (exchange.kind !== "stream") throw new Error(`${name} is no stream`);
  expect([name, await honest.ask(target, exchange)]).toEqual([name, undefined]);
}

describe("every server", () => {
  test("closes a silent client, reports it in one line, and serves on", async () => {
    limits.idle = 1000;
    await Promise.all(STREAMS.map(async (name) => {
      if (BRIEF.includes(name)) return;
      const serial = SERIAL.includes(name);
      const notes = await playAlone(name, serial ? 2 : 3, async (target) => {
        const silent = await connected(target);
        if (!serial) await expectServed(name, target);
        await closed(silent);
        await expectServed(name, target);
      });
      expect([name, notes]).toEqual([
        name,
        [expect.stringMatching(/^Cannot (receive|read)[^\n]*: timed out$/)],
      ]);
    }));
  });

  // One that serves one client after the other has to give the stranger up.
  for (const serial of [false, true]) {
    const name = serial
      ? "or only until it is given up"
      : "where both ends are";
    test(`is not held up by a silent stranger, ${name}`, async () => {
      limits.idle = serial ? 500 : 60_000;
      limits.grace = 500;
      await Promise.all(STREAMS.map(async (name) => {
        if (BRIEF.includes(name) || SERIAL.includes(name) !== serial) return;
        const { notes } = await play(name, async ({ address }) => {
          const stranger = await connected(targetOf(address));
          await expectServed(name, targetOf(address));
          if (serial) await closed(stranger);
        });
        const silent = notes.filter((note) =>
          /is silent for \d+ ms$/.test(note)
        );
        expect([name, silent.length]).toEqual([name, serial ? 1 : 0]);
      }));
    });
  }

  test("serves so many clients at once, and the others afterwards", async () => {
    limits.clients = 2;
    await Promise.all(STREAMS.map(async (name) => {
      let [now, most, total] = [0, 0, 0];
      const counting = (server: Server): Server => (end) =>
        server({
          ...end,
          serve: (client, work) =>
            end.serve(client, () => {
              most = Math.max(most, ++now);
              total++;
              return work().finally(() => now--);
            }),
        });
      await play(name, async ({ address }) => {
        const target = targetOf(address);
        const peers: net.Socket[] = [];
        // After this tcp_concurrent serves them side by side.
        await expectServed(name, target);
        for (let i = 0; i < 5; i++) peers.push(await connected(target));
        await Bun.sleep(50); // for clients that would not wait
        const { say } = EXCHANGES[name];
        for (const peer of peers) peer.end(say);
        await Promise.all(peers.map(closed));
      }, counting);
      expect([name, total, most > 2]).toEqual([name, 6, false]);
    }));
  });

  test("keeps nothing of former clients", async () => {
    await Promise.all(STREAMS.map(async (name) => {
      if (name === "iot_devices") return; // 10,000 readings, to compare them
      const sizes = await Promise.all([1, 10].map(async (count) => {
        const { server } = await play(name, async ({ address }) => {
          for (let i = 0; i < count; i++) {
            await expectServed(name, targetOf(address));
          }
        });
        return JSON.stringify(server).replace(/\d+/g, "N").length;
      }));
      expect([name, sizes[1]]).toEqual([name, sizes[0]]);
    }));
  });

  // A request for the time is no reply, and so may come from any port.
  test("does not answer a server's port, since that might never end", async () => {
    const others = DATAGRAMS.filter((name) => name !== "time_sync");
    await Promise.all(others.map(async (name) => {
      const exchange = EXCHANGES[name] as DatagramExchange;
      const { notes } = await play(name, async ({ address }) => {
        const port = Number(address[1]);
        const forger = dgram.createSocket("udp4");
        const answers: unknown[] = [];
        forger.on("message", (answer) => answers.push(answer));
        await new Promise<void>((bound) =>
          forger.bind(port, "127.0.0.2", () => bound())
        );
        forger.setBroadcast(true);
        for (let i = 0; i < 2; i++) { // udp_echo ignores the first
          const data = Buffer.from(exchange.say, "latin1");
          forger.send(data, port, exchange.to ?? "127.0.0.1");
        }
        expect(await honestly(port, exchange)).toBeUndefined();
        forger.close();
        expect([name, answers]).toEqual([name, []]);
      });
      expect(notes).toContain(
        `Not answered: 127.0.0.2:${notes[0].match(/\d+(?= has)/)} ` +
          "has a server's port",
      );
    }));
  });

  test("is refused a port that another server has", async () => {
    await Promise.all(NAMES.map(async (name) => {
      const experiment = await load(name);
      const codes: string[] = [];
      await play(name, async ({ address }) => {
        const where = typeof address === "string"
          ? { flags: { path: address } }
          : { port: Number(address[1]) };
        await run(experiment, { role: "server", ...where }, () => {})
          .catch(({ code }) => codes.push(code));
      });
      expect([name, codes]).toEqual([name, ["EADDRINUSE"]]);
    }));
  });

  test("listens on loopback only", async () => {
    await Promise.all(NAMES.map(async (name) => {
      const names: string[] = [];
      const { notes } = await play(
        name,
        () => Promise.resolve(),
        (server) => (end) =>
          server({
            ...end,
            ready(...sockets: (StreamSocket | DatagramSocket)[]) {
              for (const socket of sockets) {
                names.push(String(socket.getsockname()));
              }
              end.ready(...sockets);
            },
          }),
      );
      expect(names).not.toBeEmpty();
      for (const own of names) {
        expect([name, own]).toEqual([
          name,
          expect.stringMatching(/^127\.|^\0socket-lab-/),
        ]);
      }
      expect(notes).toEqual([]);
    }));
  });
});

for (const runtime of RUNTIMES) {
  describe(runtime, () => {
    const server = (...args: string[]) =>
      start([
        ...commandFor(runtime, ["--allow-net"]),
        ...[args[0], "server", "--port", "0", ...args.slice(1)],
      ], { cwd: ROOT });
    const LISTENING = /Listening on [\d.]+:(\d+) .*\n/;
    const targetOf = async ({ said }: Running) => {
      const [, port] = await said(LISTENING);
      return { host: "127.0.0.1", port: Number(port) };
    };

    testOn(
      runtime,
      "a silent client is closed, others are served",
      async () => {
        const served = server("tests/faults/tight.ts");
        const { kill, finished } = served;
        const target = await targetOf(served);
        const silent = await connected(target);
        const { localPort } = silent;
        let over = false;
        const end = closed(silent).then(() => over = true);
        do {
          await expectServed("tcp_time", target);
          await Bun.sleep(100);
        } while (!over);
        await end;
        await expectServed("tcp_time", target);
        kill("SIGINT");
        const { code, stderr } = await finished;
        expect(stderr.replace(LISTENING, "")).toBe(
          `Cannot receive from 127.0.0.1:${localPort}: timed out\n`,
        );
        expect(code).toBe(0);
      },
    );

    testOn(
      runtime,
      "an endless line ends the connection, reported in one line",
      async () => {
        const served = server("scripts/tcp_half_close.ts");
        const { kill, finished } = served;
        const target = await targetOf(served);
        const endless = await connected(target);
        const { localPort } = endless;
        const beside = await connected(target); // in the middle of an exchange
        beside.write("one\n");
        for (let i = 0; i < 4; i++) endless.write("x".repeat(MESSAGE_LIMIT));
        await closed(endless);
        const whole = closed(beside);
        beside.end("two\n");
        await whole;
        expect(beside.bytesRead).toBe(16 * 1024 * 1024);
        kill("SIGINT");
        const { code, stdout, stderr } = await finished;
        expect(stderr.replace(LISTENING, "")).toBe(
          `Cannot read a line from 127.0.0.1:${localPort}: message too long\n`,
        );
        expect(stdout).toStartWith("Read 2 lines, ");
        expect(code).toBe(0);
      },
    );

    testOn(
      runtime,
      "more clients than it serves at once wait, and other machines can connect",
      async () => {
        const served = server("tests/faults/tight.ts", "--host", "0.0.0.0");
        const { kill, finished } = served;
        const target = await targetOf(served);
        const peers: net.Socket[] = [];
        for (let i = 0; i < 6; i++) peers.push(await connected(target));
        const told = () =>
          peers.filter(({ bytesRead }) => bytesRead > 0).length;
        await served.said(/(Client Address.*\n){2}/);
        for (let left = 6; left > 0; left--) {
          while (told() < Math.min(6, 6 - left + 2)) await Bun.sleep(5);
          expect(told()).toBe(Math.min(6, 6 - left + 2));
          const peer = peers.find((peer) => !peer.writableEnded)!;
          const end = closed(peer);
          peer.end("thanks");
          await end;
        }
        kill("SIGINT");
        const { code, stdout, stderr } = await finished;
        expect(stdout.match(/Acknowledgment from client: thanks/g))
          .toHaveLength(
            6,
          );
        expect(stderr.replace(LISTENING, "")).toBe(
          "Other machines can connect to it, too\n",
        );
        expect(code).toBe(0);
      },
    );

    // SO_REUSEADDR would share it.
    testOn(runtime, "udp_broadcast is refused a taken port", async () => {
      const first = server("scripts/udp_broadcast.ts");
      const { port } = await targetOf(first);
      const { code, stderr } = await runCommand([
        ...commandFor(runtime, ["--allow-net"]),
        ...["scripts/udp_broadcast.ts", "server", "--port", String(port)],
      ], { cwd: ROOT, limit: 10_000 });
      first.kill();
      expect(stderr).toStartWith(
        `Cannot bind to 127.255.255.255:${port}: address already in use\n`,
      );
      expect([code, (await first.finished).code]).toEqual([1, 0]);
    });

    testOn(runtime, "--help tells the limits", async () => {
      const { stdout } = await runCommand([
        ...commandFor(runtime, []),
        ...[`${ROOT}scripts/tcp_time.ts`, "--help"],
      ]);
      const { idle, clients, grace } = limits;
      for (
        const limit of [
          idle,
          clients,
          grace,
          MESSAGE_LIMIT,
          RECEIVE_QUEUE_LIMIT,
        ]
      ) {
        expect(stdout).toMatch(new RegExp(`\\b${limit}\\b`));
      }
    });
  });
}
