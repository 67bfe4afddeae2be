/**
 * The experiments with both ends in this process, on a free port: what they
 * return, and how their servers treat a client that does not behave.
 */
import { describe, expect, test } from "bun:test";
import {
  type Experiment,
  limits,
  type Settings,
} from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import {
  type Address,
  AF_INET,
  decode,
  type End,
  Reader,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import { load } from "./support/scripts.ts";

const DATE_AND_TIME = /^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/;

/** Runs an experiment, its own client replaced if one is given. */
async function play(
  experiment: Experiment,
  client = experiment.client,
  settings: Partial<Settings> = {},
) {
  const lines: string[] = [];
  const notes: string[] = [];
  const outcome = await run(
    { ...experiment, client },
    settings,
    (end, line, note) => (note ? notes : lines).push(`${end}: ${line}`),
  );
  return { ...outcome, lines, notes };
}

async function connected(address: Address): Promise<StreamSocket> {
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(address);
  return client;
}

/** What the server sends, to the end, to a client that sends `texts` first. */
function asking(...texts: string[]) {
  return async ({ address }: End) => {
    await using client = await connected(address);
    for (const text of texts) await client.sendall(text);
    await client.shutdown("SHUT_WR");
    return decode(await new Reader(client).all());
  };
}

describe("tcp_hello", async () => {
  const hello = await load("tcp_hello");

  test("greets every client", async () => {
    const { server, clients, lines } = await play(hello, undefined, {
      clients: 3,
    });
    expect(clients).toEqual(Array(3).fill("Hello World!"));
    expect(server).toEqual({ greeted: 3 });
    expect(lines).toHaveLength(6);
  });

  test("sends 12 bytes and closes", async () => {
    const { clients } = await play(hello, asking());
    expect(clients).toEqual(["Hello World!"]);
  });
});

describe("tcp_time", async () => {
  const time = await load("tcp_time");

  test("tells the time and is thanked", async () => {
    const { server, clients, lines } = await play(time);
    expect(server).toEqual({ acknowledged: 1 });
    expect(lines).toContain(
      "server: Acknowledgment from client: Time received successfully.",
    );
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });

  test("sends 19 bytes without a newline", async () => {
    const { clients } = await play(time, asking());
    expect(clients[0]).toMatch(DATE_AND_TIME);
    expect(clients[0]).toHaveLength(19);
  });

  test("prints nothing for a client that does not thank", async () => {
    const { server, lines, notes } = await play(time, asking());
    expect(server).toEqual({ acknowledged: 0 });
    expect(lines.filter((line) => line.includes("Ackn"))).toEqual([]);
    expect(notes).toEqual([]);
  });

  test("serves the next client after one that left", async () => {
    const { server } = await play(time, async (end) => {
      await (await connected(end.address)).close();
      return time.client(end);
    });
    expect(server).toEqual({ acknowledged: 1 });
  });

  test("is not held up by a client that keeps silent", async () => {
    const { server } = await play(time, async (end) => {
      await using _silent = await connected(end.address);
      return await time.client(end);
    });
    expect(server).toEqual({ acknowledged: 1 });
  });

  test("escapes what a client could use to drive the terminal", async () => {
    const { lines } = await play(time, asking("\x1b[2J\u009b1m\r\nserver: x"));
    expect(lines).toContain(
      "server: Acknowledgment from client: \\x1b[2J\\x9b1m\\r\\nserver: x",
    );
  });
});

describe("tcp_client_details", async () => {
  const details = await load("tcp_client_details");

  test("exchanges the time for the client's own address", async () => {
    const { server, clients, lines } = await play(details);
    expect(server).toEqual({ told: 1 });
    expect(lines).toContain("server: Client Details: 127.0.0.1");
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });

  test("sends the time first, for a client that only listens", async () => {
    const { clients } = await play(details, asking());
    expect(clients[0]).toMatch(DATE_AND_TIME);
  });
});

describe("tcp_address_lookup", async () => {
  const lookup = await load("tcp_address_lookup");

  test("finds the first address", async () => {
    expect((await play(lookup)).clients).toEqual(["6A:08:AA:C2"]);
  });

  test("answers many questions on one connection", async () => {
    const { clients } = await play(lookup, async ({ address }) => {
      await using client = await connected(address);
      const answers = [];
      for (const question of ["165.165.80.80", "165.165.79.1\n", "10.0.0.1"]) {
        await client.sendall(question);
        answers.push(decode(await client.recv(1024)));
      }
      return answers;
    });
    expect(clients[0]).toEqual(["6A:08:AA:C2", "8A:BC:E3:FA", "Not Found"]);
  });
});

describe("tcp_thank_you", async () => {
  const thankYou = await load("tcp_thank_you");

  test("thanks with one line", async () => {
    const { clients } = await play(thankYou, asking());
    expect(clients).toEqual(["Thank you for connecting\r\n"]);
    const own = await play(thankYou);
    expect(own.clients).toEqual(["Thank you for connecting"]);
  });
});

describe("run()", async () => {
  const time = await load("tcp_time");

  test("tells what a client did wrong in one line, and serves on", async () => {
    const { server, notes } = await play(time, async (end) => {
      // Silent for longer than the server waits.
      await using client = await connected(end.address);
      await client.recv(1024);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return time.client(end);
    }, { timeout: 50 });
    expect(server).toEqual({ acknowledged: 1 });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(
      /^server: Cannot receive from 127\.0\.0\.1:\d+: timed out$/,
    );
  });

  test("serves so many at once, and one more when one has left", async () => {
    const most = limits.clients;
    limits.clients = 2;
    try {
      const { server, notes } = await play(time, async ({ address }) => {
        const clients = [];
        for (let i = 0; i < 3; i++) clients.push(await connected(address));
        const [one, two, three] = clients;
        for (const served of [one, two]) await served.recv(1024);
        three.settimeout(50);
        await expect(three.recv(1024)).rejects.toMatchObject({
          code: "ETIMEDOUT",
        });
        three.settimeout(null);
        await one.close();
        expect(await three.recv(1024)).toHaveLength(19);
        for (const client of [two, three]) {
          await client.sendall("thanks");
          await client.close();
        }
      });
      expect(server).toEqual({ acknowledged: 2 });
      expect(notes).toEqual([]);
    } finally {
      limits.clients = most;
    }
  });

  test("fails when the server's own code does", async () => {
    const broken: Experiment = {
      ...time,
      async server({ address, ready, serve }) {
        await using listener = socket(AF_INET, SOCK_STREAM);
        await listener.bind(address);
        await listener.listen();
        ready(listener);
        for await (const [client] of listener) {
          serve(client, () => Promise.reject(new TypeError("a bug")));
        }
      },
    };
    await expect(play(broken, asking())).rejects.toThrow("a bug");
  });

  test("fails when the server cannot listen", async () => {
    await using taken = socket(AF_INET, SOCK_STREAM);
    await taken.bind(["127.0.0.1", 0]);
    await taken.listen();
    const [, port] = taken.getsockname();
    const attempt = play(time, undefined, { port: Number(port) });
    await expect(attempt).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
