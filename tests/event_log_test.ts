/**
 * The log collector: what it keeps of what clients send, right or wrong; its
 * file, whatever ends it; and logger and rsyslog in place of either end.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import {
  type Experiment,
  limits,
  type Settings,
} from "../lib/experiment/settings.ts";
import { run } from "../lib/experiment/experiment.ts";
import {
  type Address,
  AF_INET,
  DatagramSocket,
  type End,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { formatSyslog } from "../lib/protocols/syslog.ts";
import { frameCounted, frameLine } from "../lib/protocols/syslog_framing.ts";
import { collected, noRsyslog } from "./peers/rsyslog.ts";
import {
  commandFor,
  find,
  run as runCommand,
  type RuntimeName,
  RUNTIMES,
  start,
} from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { needing, testOn } from "./support/test_on.ts";

const eventLog = await load("event_log");
const SCRIPT = `${ROOT}scripts/event_log.ts`;
const folder = mkdtempSync(`${tmpdir()}/event-log-`);
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => `${folder}/${++files}.jsonl`;

/** Runs both ends in this process and collects what they say. */
async function play(
  client: Experiment["client"] = eventLog.client,
  settings: Partial<Settings> = {},
) {
  const lines: string[] = [];
  const notes: string[] = [];
  const outcome = await run(
    { ...eventLog, client },
    settings,
    (end, line, note) => (note ? notes : lines).push(`${end}: ${line}`),
  );
  const events = lines.filter((line) => /^server: [\d:.]{12} /.test(line));
  return { ...outcome, lines, events, notes };
}

/** Sends over one connection, and waits until the server has seen its end. */
async function send(address: Address, ...data: (string | Uint8Array)[]) {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  for (const piece of data) await connection.sendall(piece);
  await connection.shutdown(SHUT_WR);
  await connection.recv(1);
}

const sending = (...data: (string | Uint8Array)[]) => ({ address }: End) =>
  send(address, ...data);

/** The words behind the two times. */
const textOf = (line: string) => line.split(" ").slice(3).join(" ");
const linesOf = (path: string) => readFileSync(path, "utf8").split("\n");
const recordsOf = (path: string) =>
  linesOf(path).slice(0, -1).map((line) => JSON.parse(line));

/** A server of its own, and its port. */
async function serverOn(runtime: RuntimeName, path?: string) {
  const permissions = ["--allow-net"];
  const flags: string[] = [];
  if (path !== undefined) {
    permissions.push(`--allow-read=${path}`, `--allow-write=${path}`);
    flags.push("--file", path);
  }
  const server = start([
    ...commandFor(runtime, permissions),
    ...[SCRIPT, "server", "--port", "0", ...flags],
  ]);
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  return { server, port, address: ["127.0.0.1", Number(port)] as Address };
}

describe("event_log", () => {
  test("puts the messages in one order, which the senders' clocks do not", async () => {
    const { server, events, notes } = await play();
    expect(events.map((line) => line.match(/: (\d) [a-z]/)?.[1]))
      .toEqual(["1", "2", "3", "4", "5"]);
    const times = events.map((line) => line.split(" ").slice(1, 3));
    const received = times.map(([time]) => time);
    const sent = times.map(([, time]) => time).filter((time) => time !== "-");
    expect(received).toEqual(received.toSorted());
    expect(sent).not.toEqual(sent.toSorted());
    expect(server).toEqual({ tcp: 3, udp: 2, malformed: 1 });
    expect(notes).toEqual([]);
  });

  test("does so for 100 clients", async () => {
    const { server, events } = await play(undefined, { clients: 100 });
    expect(events.map((line) => line.match(/: (\d) [a-z]/)?.[1]).join(""))
      .toBe("12345".repeat(100));
    expect(server).toEqual({ tcp: 300, udp: 200, malformed: 100 });
  });

  test("prints one line for each message, whatever it holds", async () => {
    const forged = "<13>1 - - - - - - x\r\nserver: 00:00:00.000 - door forged";
    const { events, lines } = await play(sending(
      frameCounted(new TextEncoder().encode(`${forged}\n\x1b[2J\u2028\u202e`)),
      "no PRI\x00\x9b\n",
      Uint8Array.of(0xff, 0xfe, 10),
      "<13>1 - - - - - - \ufeffBOM\n",
    ));
    expect(events.map(textOf)).toEqual([
      "127.0.0.1 - notice: x\\r\\nserver: 00:00:00.000 - door forged" +
      "\\n\\x1b[2J\\u{2028}\\u{202e}",
      "127.0.0.1 malformed (no PRI): no PRI\\x00\\x9b",
      "127.0.0.1 malformed (no PRI): \ufffd\ufffd",
      "127.0.0.1 - notice: BOM",
    ]);
    expect(lines).toHaveLength(6);
  });

  test("tells of a message that is too long, and goes on", async () => {
    const long = `<13>1 - door - - - - ${"x".repeat(100_000)}`;
    const { events } = await play(sending(`${long.length} ${long}<13>x\n`));
    expect(events).toHaveLength(2);
    expect(textOf(events[0])).toStartWith(
      "door malformed (8192 of 100021 bytes kept): xxx",
    );
    expect(textOf(events[1])).toBe(
      "127.0.0.1 malformed (no TIMESTAMP): <13>x",
    );
  });

  test("keeps what a sender leaves unfinished, even one that is reset", async () => {
    const { server, events, notes } = await play(async (end) => {
      await send(end.address, "<13>1 - door - - - - half");
      const other = socket(AF_INET, SOCK_STREAM);
      await other.connect(end.address);
      await other.sendall("99 <13>1 - lamp");
      await Bun.sleep(20);
      await other.close();
      await send(end.address, "<13>1 - door - - - - whole\n");
    });
    expect(events.map(textOf)).toContain(
      "door malformed (the stream ended before the LF): half",
    );
    expect(events.map(textOf)).toContain(
      "127.0.0.1 malformed (the stream ended after 12 of 99 bytes; " +
        "wrong HOSTNAME): <13>1 - lamp".replace("wrong", "nothing behind"),
    );
    expect(server).toEqual({ tcp: 3, udp: 0, malformed: 2 });
    expect(notes).toEqual([]);
  });

  test("does not wait for a sender that keeps silent", async () => {
    const { server } = await play(async (end) => {
      const silent = socket(AF_INET, SOCK_STREAM);
      await silent.connect(end.address);
      await eventLog.client(end);
      await silent.close();
    });
    expect(server).toMatchObject({ tcp: 3 });
  });

  test("counts what it got of a flood of datagrams", async () => {
    const { server, events } = await play(async ({ address }) => {
      await using sender = socket(AF_INET, SOCK_DGRAM);
      for (let i = 0; i < 20_000; i++) await sender.sendto("<13>x", address);
      await send(address, "<13>last\n");
    });
    const { tcp, udp } = server as { tcp: number; udp: number };
    expect(tcp).toBe(1);
    expect(udp).toBeWithin(1, 20_001);
    expect(events).toHaveLength(udp + 1);
  });

  test("sums up when the last sender is done", async () => {
    const { lines } = await play(async ({ address }) => {
      const late = socket(AF_INET, SOCK_STREAM);
      await late.connect(address);
      await late.sendall("<13>early\n");
      setTimeout(async () => {
        await late.sendall("<13>late\n");
        await late.close();
      }, 30);
    });
    expect(lines.at(-1)).toBe(
      "server: 2 messages: 2 over TCP, 0 over UDP; 2 malformed",
    );
  });

  test("gives up a silent sender, later with --timeout", async () => {
    const { idle } = limits;
    limits.idle = 20;
    try {
      const note = expect.stringMatching(/^Cannot receive .*: timed out$/);
      expect(await silence(undefined)).toEqual({ tcp: 0, notes: [note] });
      expect(await silence(30_000)).toEqual({ tcp: 1, notes: [] });
    } finally {
      limits.idle = idle;
    }

    async function silence(timeout: number | undefined) {
      const sender = socket(AF_INET, SOCK_STREAM);
      const listening = Promise.withResolvers<Address>();
      const server = (end: End) =>
        eventLog.server({
          ...end,
          ready(...listeners) {
            end.ready(...listeners);
            listening.resolve(listeners[0].getsockname());
          },
        });
      const notes: string[] = [];
      const ended = run(
        { ...eventLog, server },
        { role: "server", port: 0, clients: 1, timeout },
        (_, line, note) => void (note && notes.push(line)),
      );
      await sender.connect(await listening.promise);
      await Bun.sleep(100);
      await sender.sendall("<13>x\n").catch(() => {});
      await sender.close();
      const { tcp } = (await ended).server as { tcp: number };
      return { tcp, notes: notes.slice(1) };
    }
  });

  test("tries another free port where UDP has none of that number", async () => {
    const { bind } = DatagramSocket.prototype;
    const taken: Address[] = [];
    DatagramSocket.prototype.bind = function (address) {
      if (taken.push(address) > 3) return bind.call(this, address);
      return Promise.reject(new SocketError("EADDRINUSE", "bind", address));
    };
    try {
      expect((await play()).server).toMatchObject({ tcp: 3, udp: 2 });
      expect(taken).toHaveLength(4);
    } finally {
      DatagramSocket.prototype.bind = bind;
    }
  });

  test("says that a port is taken, by TCP or by UDP", async () => {
    const port = async (taken: { getsockname(): Address }) => {
      const [, port] = taken.getsockname();
      const server = play(undefined, { role: "server", port: Number(port) });
      await expect(server).rejects.toMatchObject({ code: "EADDRINUSE" });
    };
    await using listener = socket(AF_INET, SOCK_STREAM);
    await listener.bind(["127.0.0.1", 0]);
    await listener.listen();
    await port(listener);
    await using receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(["127.0.0.1", 0]);
    await port(receiver);
  });
});

describe("--file", () => {
  test("appends each message, with the bytes of what is not UTF-8", async () => {
    const path = newFile();
    const flags = { file: path };
    await play(undefined, { flags });
    const latin1 = Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 10);
    await play(sending(latin1), { flags });
    const records = recordsOf(path);
    expect(records.map(({ hostname, framing }) => [hostname, framing]))
      .toEqual([
        ["door", "counted"],
        ["phone", "datagram"],
        ["lamp", "line"],
        [undefined, "datagram"],
        ["door", "counted"],
        [undefined, "line"],
      ]);
    expect(records[3]).toEqual({
      received: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/),
      from: ["127.0.0.1", expect.any(Number)],
      framing: "datagram",
      malformed: "no PRI",
      message: "4 one\ntwo",
    });
    expect(records[5]).toMatchObject({
      message: "caf\ufffd",
      bytes: "caf\\xe9",
    });
  });

  test("mends a torn last line, and leaves whole ones as they are", async () => {
    const path = newFile();
    const flags = { file: path };
    await play(undefined, { flags });
    const before = readFileSync(path, "utf8");
    const torn = '{"received":"2026-11-21T18:55:12.001Z","message":"a\\';
    appendFileSync(path, torn);
    const { lines } = await play(undefined, { flags });
    expect(lines).toContain(`server: Mended ${path}: its last line was torn`);
    const after = readFileSync(path, "utf8");
    expect(after).toStartWith(before);
    const records = recordsOf(path);
    expect(records).toHaveLength(11);
    expect(records[5]).toEqual({ torn: torn.replaceAll("\\", "\\\\") });
    writeFileSync(path, after.slice(0, -1));
    await play(sending(), { flags });
    expect(readFileSync(path, "utf8")).toBe(after);
  });

  test("leaves alone what is no file of lines", async () => {
    const path = newFile();
    const before = Buffer.alloc(2 ** 20 + 1, "x");
    writeFileSync(path, before);
    const failure = { code: "EINVAL", call: "append to", address: path };
    await expect(play(undefined, { flags: { file: path } })).rejects
      .toMatchObject(failure);
    expect(readFileSync(path).equals(before)).toBeTrue();
  });

  for (const runtime of RUNTIMES) {
    testOn(runtime, `says where it cannot write, on ${runtime}`, async () => {
      const path = `${folder}/missing/log.jsonl`;
      const { code, stdout, stderr } = await runCommand([
        ...commandFor(runtime, [
          "--allow-net",
          "--allow-read",
          "--allow-write",
        ]),
        ...[SCRIPT, "--file", path],
      ]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toStartWith(`Cannot append to ${path}: no such file\n`);
    });

    testOn(runtime, `loses nothing to a kill -9 on ${runtime}`, async () => {
      const path = newFile();
      const { server, address } = await serverOn(runtime, path);
      const floods = Promise.allSettled(
        [0, 1, 2].map((sender) => flood(address, sender, 300_000)),
      );
      await server.said(/message 3000 /);
      server.kill("SIGKILL");
      const { stdout } = await server.finished;
      await floods;

      const before = linesOf(path);
      const messages = new Set(
        before.slice(0, -1).map((line) => JSON.parse(line).message),
      );
      const told = stdout.split("\n").slice(0, -1)
        .flatMap((line) => line.match(/message \d+ from \d$/) ?? []);
      expect(told.length).toBeGreaterThan(3000);
      expect(told.filter((message) => !messages.has(message))).toEqual([]);
      for (const sender of [0, 1, 2]) { // as far as it came, without a gap
        const own = [...messages].filter((one) => one.endsWith(`m ${sender}`));
        expect(own.at(-1) ?? "").toStartWith(
          own.length > 0 ? `message ${own.length - 1} ` : "",
        );
      }

      appendFileSync(path, '{"torn": ');
      const next = await serverOn(runtime, path);
      await send(next.address, "<13>after\n");
      next.server.kill("SIGINT");
      expect(await next.server.finished).toMatchObject({ code: 0 });
      const after = linesOf(path);
      expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
      expect(recordsOf(path).slice(before.length - 1)).toEqual([
        { torn: `${before.at(-1)!.replaceAll("\\", "\\\\")}{"torn": ` },
        expect.objectContaining({ message: "<13>after" }),
      ]);
    });
  }

  const noFull = existsSync("/dev/full") ? undefined : "there is no /dev/full";
  for (const runtime of ["bun", "node"] as const) { // Deno: --allow-all only
    const reason = noFull ?? find(runtime).reason;
    needing(reason, `ends when the disk is full, on ${runtime}`, async () => {
      const { code, stderr } = await runCommand([
        ...commandFor(runtime, []),
        ...[SCRIPT, "--file", "/dev/full"],
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^Cannot append to \/dev\/full: .+\n$/);
    });
  }

  testOn("deno", "names the permission that Deno denies", async () => {
    const path = newFile();
    const { code, stderr } = await runCommand([
      ...commandFor("deno", ["--allow-net"]),
      ...[SCRIPT, "--file", path],
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^Cannot append to .+ \(.*--allow-read.*\)\nAdd --allow-read .*\n$/,
    );
  });
});

/** Sends numbered messages, both ways of framing in turn, in large pieces. */
async function flood(address: Address, sender: number, count: number) {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  for (let i = 0; i < count;) {
    const frames: Uint8Array[] = [];
    for (const end = Math.min(count, i + 100); i < end; i++) {
      const message = formatSyslog({
        hostname: `machine${sender}`,
        appname: "flood",
        message: `message ${i} from ${sender}`,
      });
      frames.push(i % 2 ? frameCounted(message) : frameLine(message));
    }
    await connection.sendall(Buffer.concat(frames));
  }
  await connection.shutdown(SHUT_WR);
  await connection.recv(1);
}

const noProc = existsSync("/proc/self/status")
  ? undefined
  : "there is no /proc";

describe("a flood of messages from 10 senders", () => {
  for (const runtime of RUNTIMES) {
    const reason = noProc ?? find(runtime).reason;
    needing(
      reason,
      `loses none and takes no memory on ${runtime}`,
      async () => {
        const path = newFile();
        const output = newFile();
        const permissions = ["--allow-net", "--allow-read", "--allow-write"];
        const server = start([
          ...["sh", "-c", 'exec "$@" > "$0"', output],
          ...commandFor(runtime, permissions),
          ...[SCRIPT, "server", "--port", "0", "--file", path],
        ], { measured: true });
        const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
        const address: Address = ["127.0.0.1", Number(port)];
        const memory = () => {
          const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
          return Number(status.match(/VmRSS:\s+(\d+) kB/)?.[1]) * 1024;
        };
        const round = () =>
          Promise.all(
            Array.from({ length: 10 }, (_, i) => flood(address, i, 2500)),
          );
        await round();
        await round();
        const before = memory();
        await round();
        await round();
        const grown = memory() - before;
        server.kill("SIGINT");
        await server.finished;

        expect(grown).toBeLessThan(64 * 2 ** 20);
        const lines = linesOf(output);
        expect(lines.at(-2)).toBe(
          "100000 messages: 100000 over TCP, 0 over UDP; 0 malformed",
        );
        expect(lines).toHaveLength(100_003);
        const seen = new Map<string, number>();
        for (const { message } of recordsOf(path)) {
          seen.set(message, (seen.get(message) ?? 0) + 1);
        }
        expect(seen.size).toBe(25_000);
        expect([...new Set(seen.values())]).toEqual([4]);
      },
    );
  }
});

describe("in two terminals", () => {
  RUNTIMES.forEach((runtime, i) => {
    const other = RUNTIMES[(i + 1) % RUNTIMES.length];
    const title = `a client on ${runtime}, a server on ${other}`;
    testOn(runtime, title, async () => {
      const path = newFile();
      const { server, port } = await serverOn(other, path);
      const client = await runCommand([
        ...commandFor(runtime, ["--allow-net"]),
        ...[SCRIPT, "client", "--port", port],
      ]);
      expect(client).toMatchObject({ code: 0, stderr: "" });
      server.kill("SIGINT");
      const { code, stdout } = await server.finished;
      expect(code).toBe(0);
      expect(stdout).toEndWith(
        "\n5 messages: 3 over TCP, 2 over UDP; 1 malformed\n",
      );
      expect(recordsOf(path)).toHaveLength(5);
    });
  });
});

const noLogger = spawnSync("logger", ["--version"]).error &&
  "logger of util-linux is not on the PATH";

describe("logger as the client", () => {
  for (const runtime of RUNTIMES) {
    const reason = noLogger ?? find(runtime).reason;
    needing(
      reason,
      `is understood on ${runtime}, in every format`,
      async () => {
        const path = newFile();
        const { server, port } = await serverOn(runtime, path);
        const expected: string[][] = [];
        for (const transport of ["--tcp", "--udp"]) {
          for (
            const format of [
              "--rfc3164",
              "--rfc5424",
              "--rfc5424=notq,nohost",
              "--rfc5424=notime",
            ]
          ) {
            for (const counted of [[], ["--octet-count"]]) {
              const text = `é: ${[transport, format, ...counted].join(" ")}`;
              const { code, stderr } = await runCommand([
                ...["logger", "--server", "127.0.0.1", "--port", port],
                ...["--tag", "tag", "--id=77", "--priority", "local0.warn"],
                ...["--msgid", "ID", "--sd-id", "x@1", "--sd-param", 'a="b"'],
                ...[transport, format, ...counted, text],
              ]);
              expect([code, stderr]).toEqual([0, ""]);
              expected.push([format.slice(2, 9), "tag", "77", text]);
              await server.said(new RegExp(`warning: ${text}\\n`));
            }
          }
        }
        server.kill("SIGINT");
        await server.finished;
        const records = recordsOf(path);
        expect(
          records.map((
            { format, appname, procid, message },
          ) => [format, appname, procid, message]),
        ).toEqual(expected);
        for (const record of records) {
          expect(record).toMatchObject({ facility: 16, severity: 4 });
          if (record.format === "rfc5424") {
            expect(record.msgid).toBe("ID");
            expect(record.data).toContainEqual(
              { id: "x@1", params: [["a", "b"]] },
            );
          }
          expect(record).not.toHaveProperty("malformed");
        }
      },
    );
  }
});

describe("rsyslog as the server", () => {
  for (const runtime of RUNTIMES) {
    const reason = noRsyslog ?? find(runtime).reason;
    needing(reason, `understands our client on ${runtime}`, async () => {
      const template = "%protocol-version% %pri% %hostname% %app-name%|%msg%";
      const lines = await collected(template, async (port) => {
        const client = await runCommand([
          ...commandFor(runtime, ["--allow-net"]),
          ...[SCRIPT, "client", "--port", port],
        ]);
        expect(client).toMatchObject({ code: 0, stderr: "" });
      });
      expect(lines).toEqual([
        "0 13 4 one#012two|", // what it makes of no header
        "0 13 lamp relay| 3 is on",
        "1 13 door bell|1 rings",
        "1 13 door lock|5 opens",
        "1 13 phone app|2 shows who",
      ]);
    });
  }
});
