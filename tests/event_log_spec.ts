/**
 * The log collector: what it keeps of what clients send, right or wrong; its
 * file, whatever ends it; and logger and rsyslog in place of either end.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import {
  type Experiment,
  limits,
  type Settings,
} from "../lib/experiment/settings.ts";
import {
  type Address,
  AF_INET,
  DatagramSocket,
  type End,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";
import { frameCounted } from "../lib/protocols/syslog_framing.ts";
import { CAN_LOCK } from "../lib/services/file_lock.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { collected, noRsyslog } from "./peers/rsyslog.ts";
import { clientOn, command, nextTo, send, serverOn } from "./support/ends.ts";
import { flood, floodServer, noProc } from "./support/flood.ts";
import { play as playBoth, type Played, playToEnd } from "./support/play.ts";
import {
  find,
  run as runCommand,
  type RuntimeName,
  RUNTIMES,
} from "./support/runtimes.ts";
import { load } from "./support/scripts.ts";
import { needing, testOn } from "./support/test_on.ts";

setDefaultTimeout(60_000);

const eventLog = await load("event_log");
const folder = mkdtempSync(`${tmpdir()}/event-log-`);
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => `${folder}/${++files}.jsonl`;

/** Runs both ends; the lines of the table are `events`. */
async function play(
  client: Experiment["client"] = eventLog.client,
  settings: Partial<Settings> = {},
): Promise<Played & { events: string[] }> {
  const played = await playBoth({ ...eventLog, client }, settings);
  const event = /^server: [\d:.]{12} /;
  return { ...played, events: played.lines.filter((line) => event.test(line)) };
}

const sending = (...data: (string | Uint8Array)[]) => ({ address }: End) =>
  send(address, ...data);

/** The words after the two times. */
const textOf = (line: string) => line.split(" ").slice(3).join(" ");
const linesOf = (path: string) => readFileSync(path, "utf8").split("\n");
const recordsOf = (path: string) =>
  linesOf(path).slice(0, -1).map((line) => JSON.parse(line));

/** A server that appends to a file. */
const serverWith = (runtime: RuntimeName, path: string) =>
  serverOn("event_log", runtime, ["--file", path], [
    ...["--allow-net", `--allow-read=${path}`, `--allow-write=${path}`],
  ]);

describe("event_log", () => {
  test("puts the messages in one order, unlike the senders' clocks", async () => {
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

  test("takes no message from a web page", async () => {
    const forged = "<13>1 - door bell - - - forged\n";
    const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1:1514\r\n\r\n";
    const { events, lines, server } = await play(async (end) => {
      await send(end.address, head + forged).catch(() => {});
      await send(end.address, head.slice(0, 3), head.slice(3), forged)
        .catch(() => {});
      await send(end.address, `<13>POST / HTTP/1.1\n${head}`);
    });
    const refused = lines.filter((line) => line.includes("Refused"))
      .map((line) => line.replace(/\d{2,5}\)/, "PORT)"));
    expect(refused).toEqual(
      Array(2).fill("server: Refused HTTP: ('127.0.0.1', PORT)"),
    );
    expect(events.map(textOf).join()).not.toContain("forged");
    expect(server).toEqual({ tcp: 3, udp: 0, malformed: 3 }); // of the last
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
        "nothing after HOSTNAME): <13>1 - lamp",
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
      const note = expect.stringMatching(
        /^server: Cannot receive .*: timed out$/,
      );
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
      const settings = { port: 0, clients: 1, timeout };
      const ended = playBoth(
        { ...eventLog, server },
        { role: "server", ...settings },
      );
      await sender.connect(await listening.promise);
      await Bun.sleep(100);
      await sender.sendall("<13>x\n").catch(() => {});
      await sender.close();
      const { server: counts, notes } = await ended;
      const { tcp } = counts as { tcp: number };
      return { tcp, notes: notes.slice(1) };
    }
  });

  test("has a client that a server can neither fill nor keep", async () => {
    /** A server that treats each sender so. */
    const treating = async (treat: (client: StreamSocket) => Promise<void>) => {
      const server = async ({ address, ready, serve }: End) => {
        const [listener, receiver] = await openBoth(address);
        ready(listener, receiver);
        for await (const [client] of listener) {
          await serve(client, () => treat(client));
        }
      };
      return await playToEnd({ ...eventLog, server }, { timeout: 300 });
    };
    const silent = await treating(async (client) => {
      while ((await client.recv(65536)).length > 0);
      await Bun.sleep(1000);
    });
    expect(silent.error).toMatchObject({ code: "ETIMEDOUT" });
    let sent = 0;
    await treating(async (client) => {
      const endless = new Uint8Array(65536);
      for (;;) sent += await client.sendall(endless).then(() => 65536);
    });
    expect(sent).toBeLessThan(5 * 64 * 1024 * 1024); // what buffers take
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
    const [listener, receiver] = await openBoth(["127.0.0.1", 0]);
    const port = Number(listener.getsockname()[1]);
    const failure = async () => {
      const settings = { role: "server", port } as const;
      return (await playToEnd(eventLog, settings)).error;
    };
    expect(await failure()).toMatchObject({ code: "EADDRINUSE" });
    await listener.close();
    expect(await failure()).toMatchObject({ code: "EADDRINUSE" });
    await using again = socket(AF_INET, SOCK_STREAM); // its TCP port is free
    await again.bind(["127.0.0.1", port]);
    await again.listen();
    await receiver.close();
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

  test("repairs an incomplete last line, and leaves whole ones as they are", async () => {
    const path = newFile();
    const flags = { file: path };
    await play(undefined, { flags });
    const before = readFileSync(path, "utf8");
    const torn = '{"received":"2026-11-21T18:55:12.001Z","message":"a\\';
    appendFileSync(path, torn);
    const { lines } = await play(undefined, { flags });
    expect(lines).toContain(
      `server: Repaired the last line of ${path}`,
    );
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

  test("leaves alone the text of something else, and a pipe", async () => {
    const path = newFile();
    writeFileSync(path, "A line\nmy thesis");
    const failure = { code: "EINVAL", call: "append to", address: path };
    const { error } = await playToEnd(eventLog, { flags: { file: path } });
    expect(error).toMatchObject(failure);
    expect(readFileSync(path, "utf8")).toBe("A line\nmy thesis");
  });

  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    /** What a server with this file says that does not start. */
    const failure = async (on: RuntimeName, path: string) => {
      const permissions = ["--allow-net", "--allow-read", "--allow-write"];
      const args = ["server", "--port", "0", "--file", path];
      const { code, stdout, stderr } = await runCommand(
        command("event_log", on, args, permissions),
      );
      expect([code, stdout]).toEqual([1, ""]);
      return stderr.split("\n")[0];
    };

    const reason = find(runtime).reason ?? find(other).reason ??
      (CAN_LOCK ? undefined : "only Linux has abstract names of sockets");
    const second = `refuses ${other} a file that ${runtime} writes`;
    needing(reason, second, async () => {
      const path = newFile();
      writeFileSync(path, '{"received":');
      const first = await serverWith(runtime, path);
      appendFileSync(path, '{"received":"as if it were being written');
      const before = readFileSync(path, "utf8");
      const link = `${path}.link`;
      symlinkSync(path, link);
      for (const name of [path, link]) {
        expect(await failure(other, name)).toBe(
          `Cannot append to ${name}: another process uses it`,
        );
      }
      expect(readFileSync(path, "utf8")).toBe(before);

      first.server.kill("SIGKILL");
      await first.server.finished;
      const next = await serverWith(other, path);
      await next.stop();
      expect(recordsOf(path)).toHaveLength(2); // both are repaired
    });

    testOn(
      runtime,
      `notices that its file is gone, on ${runtime}`,
      async () => {
        for (const replaced of [false, true]) {
          const path = newFile();
          const { server, address } = await serverWith(runtime, path);
          await send(address, "<13>one\n");
          rmSync(path);
          if (replaced) writeFileSync(path, "");
          await send(address, "<13>two\n").catch(() => {});
          const { code, stdout, stderr } = await server.finished;
          expect(stderr.split("\n")[1]).toBe(
            `Cannot append to ${path}: deleted or replaced: start the server again`,
          );
          expect(code).toBe(1);
          expect(stdout).not.toContain("two");
        }
      },
    );

    testOn(
      runtime,
      `does not wait for a pipe's reader, on ${runtime}`,
      async () => {
        const path = newFile();
        if (spawnSync("mkfifo", [path]).status !== 0) return; // Windows
        expect(await failure(runtime, path)).toBe(
          `Cannot append to ${path}: it is not a log`,
        );
      },
    );

    testOn(runtime, `escapes the path, on ${runtime}`, async () => {
      const path = `${folder}/\x1b[2J/log\n`;
      expect(await failure(runtime, path)).toBe(
        `Cannot append to ${folder}/\\x1b[2J/log\\n: no such file`,
      );
    });
  }

  for (const runtime of RUNTIMES) {
    testOn(runtime, `says where it cannot write, on ${runtime}`, async () => {
      const path = `${folder}/missing/log.jsonl`;
      const permissions = ["--allow-net", "--allow-read", "--allow-write"];
      const { code, stdout, stderr } = await runCommand(
        command("event_log", runtime, ["--file", path], permissions),
      );
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toStartWith(`Cannot append to ${path}: no such file\n`);
    });

    testOn(runtime, `loses nothing to a kill -9 on ${runtime}`, async () => {
      const path = newFile();
      const { server, address } = await serverWith(runtime, path);
      const floods = Promise.allSettled(
        [0, 1, 2].map((sender) => flood(address, sender, 300_000)),
      );
      await server.said(/message 1000 /);
      server.kill("SIGKILL");
      const { stdout } = await server.finished;
      await floods;

      const before = linesOf(path);
      const messages = new Set(
        before.slice(0, -1).map((line) => JSON.parse(line).message),
      );
      const told = stdout.split("\n").slice(0, -1)
        .flatMap((line) => line.match(/message \d+ from \d$/) ?? []);
      expect(told.length).toBeGreaterThan(1000);
      expect(told.filter((message) => !messages.has(message))).toEqual([]);
      for (const sender of [0, 1, 2]) { // as far as it came, without a gap
        const own = [...messages].filter((one) => one.endsWith(`m ${sender}`));
        expect(own.at(-1) ?? "").toStartWith(
          own.length > 0 ? `message ${own.length - 1} ` : "",
        );
      }

      appendFileSync(path, '{"torn": ');
      const next = await serverWith(runtime, path);
      await send(next.address, "<13>after\n");
      await next.stop();
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
      const { code, stderr } = await runCommand(
        command("event_log", runtime, ["--file", "/dev/full"]),
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(/^Cannot append to \/dev\/full: .+\n.+\n$/);
    });
  }

  testOn("deno", "names the permission that Deno denies", async () => {
    const { code, stderr } = await runCommand(
      command("event_log", "deno", ["--file", newFile()]),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^Cannot append to .+ \(.*--allow-read.*\)\nAdd --allow-read .*\n$/,
    );
  });
});

describe("a flood of messages from 10 senders", () => {
  for (const runtime of RUNTIMES) {
    const title = `loses none and takes no memory on ${runtime}`;
    needing(noProc ?? find(runtime).reason, title, async () => {
      await floodServer(runtime, 250, [newFile(), newFile()]);
    });
  }
});

const noLogger = spawnSync("logger", ["--version"]).error &&
  "logger is not on the PATH (Debian: bsdutils)";

if (noLogger) {
  needing(noLogger, "logger is understood", () => Promise.resolve());
}

describe("a client on another runtime, and logger in every format", () => {
  for (const runtime of RUNTIMES) {
    testOn(runtime, `are understood on ${runtime}`, async () => {
      const path = newFile();
      const { server, port, stop } = await serverWith(runtime, path);
      await clientOn("event_log", nextTo(runtime), port);
      const expected: string[][] = [];
      const formats = ["3164", "5424", "5424=notq,nohost", "5424=notime"];
      const log = async (transport: string, ...flags: string[]) => {
        const text = `é: ${[transport, ...flags].join(" ")}`;
        const { code, stderr } = await runCommand([
          ...["logger", "--server", "127.0.0.1", "--port", port],
          ...["--tag", "tag", "--id=77", "--priority", "local0.warn"],
          ...["--msgid", "ID", "--sd-id", "x@1", "--sd-param", 'a="b"'],
          ...[transport, ...flags, text],
        ]);
        expect([code, stderr]).toEqual([0, ""]);
        expected.push([flags[0].slice(2, 9), "tag", "77", text]);
        await server.said(new RegExp(`warning: ${text}\\n`));
      };
      for (const transport of noLogger ? [] : ["--tcp", "--udp"]) {
        for (const format of formats) {
          await log(transport, `--rfc${format}`);
          await log(transport, `--rfc${format}`, "--octet-count");
        }
      }
      expect(await stop()).toEndWith(
        noLogger
          ? "\n5 messages: 3 over TCP, 2 over UDP; 1 malformed\n"
          : "\n21 messages: 11 over TCP, 10 over UDP; 1 malformed\n",
      );
      const records = recordsOf(path).slice(5);
      expect(
        records.map((
          one,
        ) => [one.format, one.appname, one.procid, one.message]),
      ).toEqual(expected);
      for (const record of records) {
        expect(record).toMatchObject({ facility: 16, severity: 4 });
        if (record.format === "rfc5424") {
          const data = { id: "x@1", params: [["a", "b"]] };
          expect(record.msgid).toBe("ID");
          expect(record.data).toContainEqual(data);
        }
        expect(record).not.toHaveProperty("malformed");
      }
    });
  }
});

describe("rsyslog as the server", () => {
  for (const runtime of RUNTIMES) {
    const reason = noRsyslog ?? find(runtime).reason;
    needing(reason, `understands our client on ${runtime}`, async () => {
      const template = "%protocol-version% %pri% %hostname% %app-name%|%msg%";
      const lines = await collected(template, async (port) => {
        await clientOn("event_log", runtime, port);
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
