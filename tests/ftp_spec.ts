/**
 * FTP as ftp_files speaks it: sessions on the wire and their replies on three
 * runtimes, fed whole and byte by byte; files in both directions and modes; who
 * must not get one; clients that drip or vanish, and servers that lie.
 */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { socket, SocketError } from "../lib/mod.ts";
import { formatLine } from "../lib/protocols/ftp_listing.ts";
import { passivePort } from "../lib/protocols/ftp.ts";
import { Control } from "../lib/services/ftp/control.ts";
import { freePort } from "../scripts/tools/support/free_port.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { clientOn, command, nextTo, serverOn } from "./support/ends.ts";
import { allOf, dial, ftpClient, ftpServer } from "./support/ftp.ts";
import { FTP_CASES } from "./support/ftp_cases.ts";
import * as fuzz from "./support/fuzz_ftp.ts";
import { run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT } from "./support/scripts.ts";
import { failureOf, idlyOn, testOn } from "./support/test_on.ts";

const COUNT = Number(process.env.FTP_FUZZ ?? 5000);
for (
  const check of [
    ...[fuzz.fuzzCommands, fuzz.fuzzReplies, fuzz.fuzzAddresses],
    ...[fuzz.fuzzPaths, fuzz.fuzzListings, fuzz.fuzzTexts],
  ]
) test(`${check.name}, ${COUNT} times`, () => check(COUNT), 300_000);

/** The codes of replies, each once. */
function codesOf(replies: string): string {
  // Telnet's answers stand before the reply that follows them.
  const codes = replies.matchAll(/^(?:\xff[\xfc\xfe].)*(\d{3}) .*\r\n/gm);
  return Array.from(codes, ([, code]) => code).join(" ");
}

const toBytes = (text: string) => Buffer.from(text, "latin1");

/** The replies that bytes get, which come in pieces of so many. */
async function repliesTo(port: string, say: string, piece: number) {
  const socket = net.connect({
    port: Number(port),
    host: "127.0.0.1",
    allowHalfOpen: true,
    noDelay: true,
  });
  let replies = "";
  socket.setEncoding("latin1").on("data", (data: string) => replies += data);
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("end", resolve).on("error", reject);
  });
  const bytes = toBytes(say);
  for (let at = 0; at < bytes.length; at += piece) {
    socket.write(bytes.subarray(at, at + piece));
  }
  socket.end();
  await ended;
  return replies;
}

for (const runtime of RUNTIMES) {
  for (
    const [how, piece] of [["whole", Infinity], ["byte by byte", 1]] as const
  ) {
    testOn(runtime, `${runtime} replies to sessions, fed ${how}`, async () => {
      const { port, server, stop } = await serverOn("ftp_files", runtime);
      const wrong: string[] = [];
      const cases = [...FTP_CASES];
      const work = async () => {
        for (let each; (each = cases.shift());) {
          const { name, say, codes, hear = /^/ } = each;
          const size = Math.max(piece, Math.floor(say.length / 200));
          const replies = await repliesTo(port, say, size);
          const fits = codesOf(replies) === `220 ${codes}`.trim();
          if (!fits || !hear.test(replies)) {
            wrong.push(`${name}: ${codesOf(replies)} for ${codes}: ${replies}`);
          }
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      expect(wrong).toEqual([]);
      expect(FTP_CASES.length).toBeGreaterThan(100);
      expect(await stop()).toBe("");
      expect((await server.finished).stderr).not.toMatch(/Error/);
    });
  }
}

/** Both ends of a connection. */
async function pair() {
  await using listener = socket();
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  const there = socket();
  await there.connect(listener.getsockname());
  const [here] = await listener.accept();
  return [here, there] as const;
}

/** A folder for a test, which is removed at its end. */
function temporary() {
  const path = realpathSync(mkdtempSync(`${tmpdir()}/ftp-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

describe("answerCommands()", () => {
  for (const mode of ["passive", "active"] as const) {
    test(`sends, receives and lists on ${mode} connections`, async () => {
      await using server = await ftpServer();
      using client = await server.client();
      /** Says a command, sends the text or gives what comes, and the reply. */
      const exchange = async (line: string, text?: string) => {
        const comes = mode === "active"
          ? (await client.active()).comes
          : client.passive();
        if (mode === "passive") await comes;
        const begun = client.say(line);
        const data = await comes;
        expect(await begun).toStartWith("150 ");
        if (text !== undefined) data.end(Buffer.from(text, "latin1"));
        return [await allOf(data), (await client.reply()).slice(0, 3)];
      };
      const text = "one\r\ntwo\nthree\r";
      expect(await exchange("STOR a", text)).toEqual(["", "226"]);
      expect(await exchange("RETR a")).toEqual([text, "226"]);
      expect(await client.say("REST 5")).toStartWith("350 ");
      expect(await exchange("RETR a")).toEqual([text.slice(5), "226"]);
      expect(await exchange("NLST")).toEqual([
        "a\r\nnotes.bin\r\nnotes.txt\r\n",
        "226",
      ]);
      const [list] = await exchange("LIST -la a");
      expect(list).toMatch(
        /^-rw-r--r-- 1 lab lab +15 \w{3} [ \d]\d \d\d:\d\d a\r\n$/,
      );
      const [facts] = await exchange("MLSD");
      expect(facts).toMatch(
        /^type=file;size=15;modify=\d{14};perm=rwdf; a\r\n/,
      );
      expect(await client.say("TYPE A")).toStartWith("200 ");
      expect(await exchange("RETR a")).toEqual([
        "one\r\r\ntwo\r\nthree\r",
        "226",
      ]);
      expect(await exchange("STOR b", "x\r\ny\r\r\nz\r")).toEqual(["", "226"]);
      expect(await client.say("TYPE I")).toStartWith("200 ");
      expect(await exchange("RETR b")).toEqual(["x\ny\r\nz\r", "226"]);
      const who = mode === "active" ? "server" : "client";
      expect(server.lines[0]).toBe(
        `STOR a: 15 bytes, the ${who} has connected`,
      );
      expect(await client.say("QUIT")).toStartWith("221 ");
      expect(await client.reply()).toBe("closed");
    });
  }

  test("gives a file to nobody else who finds the port", async () => {
    await using server = await ftpServer();
    using client = await server.client();
    const port = await client.port();
    const stranger = await dial(port, { from: "127.0.0.2" });
    expect(await allOf(stranger)).toBe("");
    const data = await dial(port);
    expect(await client.say("RETR notes.txt")).toStartWith("150 ");
    expect(await allOf(data)).toHaveLength(2773);
    expect(await client.reply()).toStartWith("226 ");
    // The port is used up.
    expect(await client.say("RETR notes.txt")).toStartWith("425 ");
    expect(await failureOf(dial(port))).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("sends from the address that the client knows, and no other", async () => {
    await using server = await ftpServer({ host: "0.0.0.0" });
    using client = await server.client("127.0.0.3");
    const { comes } = await client.active();
    const begun = client.say("RETR notes.txt");
    const data = await comes;
    expect(data.remoteAddress).toBe("127.0.0.3");
    expect(await begun).toStartWith("150 ");
    expect(await allOf(data)).toHaveLength(2773);
    expect(await client.reply()).toStartWith("226 ");
    const port = await client.port();
    expect(await failureOf(dial(port))).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("listens for a client on one port, and not for long", async () => {
    await using server = await ftpServer({ timeout: 300 });
    using client = await server.client();
    const first = await client.port();
    const second = await client.port();
    expect(await failureOf(dial(first))).toMatchObject({
      code: "ECONNREFUSED",
    });
    expect(await client.say("RETR notes.txt")).toStartWith("425 There is no");
    expect(await failureOf(dial(second))).toMatchObject({
      code: "ECONNREFUSED",
    });
  });

  test("closes a connection that is not used, or on which nothing comes", async () => {
    await using server = await ftpServer({ timeout: 300 });
    using client = await server.client();
    const unused = allOf(await client.passive());
    const silent = allOf(await client.passive());
    expect(await unused).toBe("");
    expect(await client.say("STOR a")).toStartWith("150 ");
    expect(await client.reply()).toStartWith("426 ");
    expect(await silent).toBe("");
    expect(await client.say("SIZE a")).toStartWith("550 ");
  });

  test("reads a limited number of commands during a transfer", async () => {
    const [here, there] = await pair();
    await there.sendall("NOOP\r\n".repeat(60));
    const stop = () => expect.unreachable();
    const asked = () => expect.unreachable();
    const { signal } = new AbortController();
    await new Control(here).watch(signal, { stop, asked });
    await Promise.all([here.close(), there.close()]);
  });

  test("says 425 if nobody listens at the client's port", async () => {
    await using server = await ftpServer();
    using client = await server.client();
    const port = await freePort();
    expect(await client.say(`EPRT |1|127.0.0.1|${port}|`)).toStartWith("200");
    expect(await client.say("RETR notes.txt")).toStartWith("425 ");
  });

  test("stops for ABOR, and tells what it does for STAT", async () => {
    await using server = await ftpServer();
    using client = await server.client();
    const data = await client.passive();
    expect(await client.say("STOR big")).toStartWith("150 ");
    data.write("x".repeat(1000));
    expect(await client.say("STAT")).toStartWith("211 A file is on its way");
    client.control.write("NOOP\r\n\xff\xf4\xff\xf2ABOR\r\n", "latin1");
    expect(await client.reply()).toStartWith("426 ");
    expect(await client.reply()).toStartWith("200 ");
    expect(await client.reply()).toStartWith("226 ");
    expect(await client.say("SIZE big")).toStartWith("550 ");
    // While it waits for the connection, too.
    await client.port();
    client.control.write("RETR notes.txt\r\nABOR\r\n");
    expect(await client.reply()).toStartWith("425 ");
    expect(await client.reply()).toStartWith("226 ");
  });

  test("outlives a client that takes no reply during a transfer", async () => {
    const [here, there] = await pair();
    const control = new Control(here);
    await there.sendall("STAT\r\n");
    let stopped = false;
    await control.watch(new AbortController().signal, {
      stop: () => void (stopped = true),
      asked: () => Promise.reject(new SocketError("ETIMEDOUT", "sendall")),
    });
    expect([stopped, control.ended]).toEqual([true, true]);
    await Promise.all([here.close(), there.close()]);
  });

  test("has a file when it is whole, and the old one until then", async () => {
    using folder = temporary();
    const { path } = folder;
    writeFileSync(`${path}/a`, "old");
    await using server = await ftpServer({ inbox: path });
    const ways: [
      how: string,
      end: (data: net.Socket) => void,
      reply: string,
    ][] = [
      ["reset", (data) => data.resetAndDestroy(), "426"],
      ["killed", (data) => (data.end(), client.control.destroy()), "closed"],
    ];
    let client = await server.client();
    for (const [how, end, reply] of ways) {
      using own = client = await server.client();
      const data = await own.passive();
      expect(await own.say("STOR a")).toStartWith("150 ");
      data.on("error", () => {}).write("new");
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(readFileSync(`${path}/a`, "utf8")).toBe("old");
      expect(readdirSync(path)).toHaveLength(2);
      end(data);
      expect([how, (await own.reply()).slice(0, reply.length)]).toEqual([
        how,
        reply,
      ]);
    }
    while (readdirSync(path).length > 1) await Bun.sleep(5);
    expect(readFileSync(`${path}/a`, "utf8")).toBe("old");
    using last = await server.client();
    const data = await last.passive();
    await last.say("STOR a");
    data.end("new");
    expect(await last.reply()).toStartWith("226 ");
    expect(readFileSync(`${path}/a`, "utf8")).toBe("new");
  });

  test("says that a file has become shorter while it was sent", async () => {
    using folder = temporary();
    const path = `${folder.path}/a`;
    writeFileSync(path, "");
    truncateSync(path, 2 ** 26);
    await using server = await ftpServer({ root: folder.path });
    using client = await server.client();
    const data = await client.passive();
    expect(await client.say("RETR a")).toStartWith("150 ");
    truncateSync(path, 0);
    data.on("error", () => {}).resume();
    expect(await client.reply()).toStartWith("451 ");
  });

  test("keeps in memory what has room, and says 552 for the rest", async () => {
    await using server = await ftpServer();
    using client = await server.client();
    const store = async (name: string, size: number) => {
      const data = await client.passive();
      await client.say(`STOR ${name}`);
      data.on("error", () => {}).end(new Uint8Array(size));
      return (await client.reply()).slice(0, 3);
    };
    const MB = 2 ** 20;
    expect(await store("a", 10 * MB)).toBe("226");
    expect(await store("b", 10 * MB)).toBe("552");
    expect(await client.say("SIZE b")).toStartWith("550 ");
    expect(await client.say("DELE a")).toStartWith("250 ");
    expect(await store("b", 15 * MB)).toBe("226");
  });
});

describe("openTree()", () => {
  test("lets nobody out of the root, and lab write in the inbox", async () => {
    using folder = temporary();
    const { path } = folder;
    for (const name of ["root", "root/in", "root/in/sub", "out"]) {
      mkdirSync(`${path}/${name}`);
    }
    for (const name of ["root/a", "root/in/a", "out/secret"]) {
      writeFileSync(`${path}/${name}`, name);
    }
    symlinkSync(`${path}/out`, `${path}/root/link`);
    symlinkSync(`${path}/out/secret`, `${path}/root/in/file`);
    symlinkSync(`${path}/root/a`, `${path}/root/in/near`);
    writeFileSync(`${path}/root/in/x.0123abcd.part`, "half");
    writeFileSync(`${path}/root/two\nlines`, "");
    expect(spawnSync("mkfifo", [`${path}/root/in/fifo`]).status).toBe(0);
    symlinkSync("/dev/zero", `${path}/root/zero`);
    symlinkSync("fifo", `${path}/root/in/pipe`);
    const [root, inbox] = [`${path}/root`, `${path}/root/in`];
    await using server = await ftpServer({ root, inbox });
    using client = await server.client();
    const codes = async (...lines: string[]) => {
      for (const line of lines) {
        const [, say, code] = line.match(/^(.*) -> (\d+)$/)!;
        expect([say, (await client.say(say)).slice(0, 3)]).toEqual([say, code]);
      }
    };
    await codes(
      ...["SIZE a -> 213", "SIZE in/a -> 213", "SIZE in/near -> 213"],
      ...["SIZE link/secret -> 550", "SIZE in/file -> 550", "CWD link -> 550"],
      ...["SIZE in/fifo -> 550", "SIZE in/pipe -> 550", "SIZE zero -> 550"],
      ...["RETR in/fifo -> 550", "RETR in/pipe -> 550", "RETR zero -> 550"],
      ...["EPSV -> 229", "STOR in/fifo -> 550", "RNFR in/fifo -> 550"],
      ...["DELE in/fifo -> 250", "DELE in/pipe -> 250"],
      ...["SIZE in/x.0123abcd.part -> 550", "DELE in/x.0123abcd.part -> 550"],
      ...["EPSV -> 229", "STOR a -> 550", "STOR link/x -> 550"],
      ...["STOR in/../a -> 550", "STOR in\\a -> 550", "STOR in/sub -> 550"],
      ...["STOR in/y.0123abcd.part -> 550", "DELE a -> 550", "MKD b -> 550"],
      ...["DELE link -> 550", "RMD in -> 550", "RNFR a -> 350"],
      ...["RNTO in/b -> 550", "RNFR in/a -> 350", "RNTO b -> 550"],
      ...["RNFR in/a -> 350", "RNTO in/near -> 550", "RNFR in/a -> 350"],
      ...["RNTO in/sub/a -> 250", "MKD in/new -> 257", "RMD in/new -> 250"],
      ...["RMD in/sub -> 550", "DELE in/sub -> 550", "DELE in/near -> 250"],
      ...[
        "RNFR in/sub -> 350",
        "RNTO in/other -> 250",
        "SIZE in/other/a -> 213",
      ],
    );
    expect(readFileSync(`${path}/out/secret`, "utf8")).toBe("out/secret");
    expect(readFileSync(`${path}/root/a`, "utf8")).toBe("root/a");
    const names = async (folder: string) =>
      (await server.tree.list(folder)).map(({ name }) => name);
    expect(await names("in")).toEqual(["other"]);
    const data = await client.passive();
    await client.say("NLST");
    expect(await allOf(data)).toBe("a\r\nin\r\n");
  });

  test("without an inbox lets nobody write, and takes none elsewhere", async () => {
    using folder = temporary();
    await using server = await ftpServer({ root: folder.path });
    using client = await server.client();
    for (const say of ["STOR a", "MKD a", "DELE a", "RMD a"]) {
      expect(await client.say(say)).toBe("550 Permission denied");
    }
    expect(readdirSync(folder.path)).toEqual([]);
    using other = temporary();
    const choices = { root: folder.path, inbox: other.path };
    expect(await failureOf(ftpServer(choices))).toMatchObject({
      code: "ENOENT",
    });
  });
});

test("formatLine() shows the time of the last half year, else the year", () => {
  const now = Date.UTC(2026, 10, 28, 7);
  const at = (modified: number, folder = false) =>
    formatLine({ name: "a b", size: 5, folder, modified }, { now });
  expect(at(now)).toBe("-rw-r--r-- 1 lab lab            5 Nov 28 07:00 a b");
  expect(at(Date.UTC(2026, 0, 2), true)).toBe(
    "drwxr-xr-x 1 lab lab            5 Jan  2  2026 a b",
  );
});

test("passivePort() takes the port, and no host", () => {
  for (
    const [code, text, port] of [
      [227, "Entering Passive Mode (192,0,2,1,4,1).", 1025],
      [227, "=127,0,0,1,255,255", 65_535],
      [227, "(127,0,0,1,0,0)", undefined],
      [227, "(127,0,0,1,256,1)", undefined],
      [227, "(127,0,0,1,4)", undefined],
      [229, "Entering (|||1025|)", 1025],
      [229, "Entering (|1|192.0.2.1|1025|)", undefined],
      [229, "(|||0|)", undefined],
      [229, "(|||65536|)", undefined],
      [200, "(|||1025|)", undefined],
    ] as const
  ) expect([text, passivePort({ code, text })]).toEqual([text, port]);
});

for (const runtime of RUNTIMES) {
  testOn(runtime, `${runtime} and another runtime are both ends`, async () => {
    const { port, stop } = await serverOn("ftp_files", runtime);
    const client = await clientOn("ftp_files", nextTo(runtime), port, [
      ...["--clients", "2"],
    ]);
    const anonymous = await clientOn("ftp_files", nextTo(runtime), port, [
      ...["--user", "anonymous", "--name", "notes.bin"],
    ]);
    const output =
      readHeader(readFileSync(`${ROOT}scripts/ftp_files.ts`, "utf8"))
        .output;
    const of = (end: string) =>
      output.filter((line) => line.startsWith(end))
        .map((line) => line.slice(end.length));
    const linesOf = (text: string) => text.trimEnd().split("\n");
    const wanted = of("client: ");
    expect(difference([...wanted, ...wanted], linesOf(client))).toBeNull();
    expect(anonymous).toMatch(/RETR notes\.bin: 20000 bytes -> 226 Sent\n/);
    const sent = linesOf(await stop());
    const mine = of("server: ");
    expect(difference([...mine, ...mine], sent.slice(0, 4))).toBeNull();
    expect(sent).toHaveLength(6);
  });

  idlyOn(runtime, `${runtime}: a client that drips is closed`, async () => {
    const flags = ["--timeout", "2000"];
    const { port, server, stop } = await serverOn("ftp_files", runtime, flags);
    const drips: [
      say: string,
      drip: (client: Client) => Promise<net.Socket>,
    ][] = [
      ["on the control connection", async ({ control }) => control],
      ["in a file", async ({ passive, say }) => {
        const data = await passive();
        await say("STOR drip");
        return data;
      }],
    ];
    for (const [, drip] of drips) {
      using client = await ftpClient(Number(port));
      const socket = await drip(client);
      const closed = new Promise((resolve) => {
        socket.on("error", () => {}).on("close", resolve).resume();
      });
      const timer = setInterval(() => socket.write("x"), 50);
      // The others do not notice.
      await clientOn("ftp_files", nextTo(runtime), port);
      await closed;
      clearInterval(timer);
      const last = await client.reply();
      expect(last).toMatch(socket === client.control ? /^closed/ : /^426 /);
    }
    await stop();
    const { stderr } = await server.finished;
    expect(stderr.match(/timed out/g)).toHaveLength(1);
  });

  idlyOn(
    runtime,
    `${runtime}: a client stops where a server does`,
    async () => {
      for (const [lie, answer, last, failure] of LIES) {
        const server = net.createServer((socket) => {
          socket.on("error", () => {});
          answer(socket);
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => server.once("listening", resolve));
        const { port } = server.address() as net.AddressInfo;
        const flags = ["--port", String(port), "--timeout", "2000"];
        const ended = await run(
          command("ftp_files", runtime, ["client", ...flags]),
        );
        expect([lie, ended.stdout, ended.stderr, ended.code]).toEqual([
          lie,
          expect.stringMatching(last),
          failure ? expect.stringContaining(failure) : "",
          failure ? 1 : 0,
        ]);
        expect(ended.stdout.length).toBeLessThan(2000);
        server.close();
      }
    },
  );
}

type Client = Awaited<ReturnType<typeof ftpClient>>;

const PROTO = "no answer that this program can use";

/** A server that says what `replies` gives for each command. */
const script =
  (replies: (verb: string, line: string) => string | undefined) =>
  (socket: net.Socket) => {
    socket.write(replies("", "") ?? "220 x\r\n");
    socket.setEncoding("latin1").on("data", (data: string) => {
      for (const line of data.trimEnd().split("\r\n")) {
        const [verb] = line.split(" ");
        const reply = replies(verb, line) ?? USUAL[verb];
        if (reply) socket.write(reply);
      }
    });
  };
const USUAL: Record<string, string> = {
  USER: "331 x\r\n",
  PASS: "230 x\r\n",
  TYPE: "200 x\r\n",
  EPRT: "200 x\r\n",
  QUIT: "221 x\r\n",
};

/**
 * A server whose data connections do what is said, which takes the name of the
 * file; `mode` tells who opens them. Behind EPSV or PASV it listens.
 */
function serving(
  act: (data: net.Socket) => void,
  { passive = "EPSV", from = "127.0.0.1", reply = "150 x\r\n226 x\r\n" } = {},
) {
  return (socket: net.Socket) => {
    const listener = net.createServer(act).listen(0, "127.0.0.1");
    socket.on("close", () => listener.close());
    let target = 0;
    script((verb, line) => {
      const { port } = listener.address() as net.AddressInfo ?? {};
      if (verb === "EPSV") {
        return passive === "EPSV" ? `229 (|||${port}|)\r\n` : "500 x\r\n";
      }
      // Its host is another one.
      if (verb === "PASV") {
        return `227 (192,0,2,1,${port >> 8},${port & 255})\r\n`;
      }
      if (verb === "EPRT") {
        target ||= Number(line.match(/\|(\d+)\|$/)?.[1]);
        return;
      }
      if (verb !== "RETR") return;
      if (target) {
        const to = { port: target, host: "127.0.0.1", localAddress: from };
        net.connect(to, function (this: net.Socket) {
          act(this);
        }).on("error", () => {});
      }
      return reply;
    })(socket);
  };
}

const hello = (data: net.Socket) =>
  void data.on("error", () => {}).end("hello");

/** What a server does, what its client prints at last, and why it fails, if so. */
const LIES: [
  does: string,
  answer: (socket: net.Socket) => void,
  last: RegExp,
  failure: string,
][] = [
  [
    "has no time",
    script(() => "421 Later\r\n"),
    /^421 Later\n$/,
    "answers 421 Later\n",
  ],
  [
    "takes no password",
    script((verb) => verb === "PASS" ? "530 \x1b[2J\u202e\r\n" : undefined),
    /PASS lab -> 530 \\x1b\[2J.*\n$/,
    "answers 530 \\x1b[2J\\u{202e}\n",
  ],
  [
    "tells no port",
    script((verb) =>
      verb === "EPSV" ? "229 (|1|127.0.0.1|22|)\r\n" : undefined
    ),
    /EPSV -> 229 .*\n$/,
    PROTO,
  ],
  ["is honest", serving(hello), /QUIT -> 221 x\n$/, ""],
  [
    "knows no EPSV, and names another host in 227",
    serving(hello, { passive: "PASV" }),
    /PASV -> 227 \(192,0,2,1,.*\n(RETR notes\.txt: 5 bytes -> 226 x\n(.*\n)?){2}QUIT -> 221 x\n$/,
    "",
  ],
  [
    "has no such file",
    serving(hello, { reply: "550 x\r\n" }),
    /RETR notes\.txt -> 550 x\n$/,
    "answers 550 x\n",
  ],
  [
    "says that the file is cut",
    serving(hello, { reply: "150 x\r\n426 x\r\n" }),
    /RETR notes\.txt: 5 bytes -> 426 x\n$/,
    "answers 426 x\n",
  ],
  [
    "connects from elsewhere",
    serving(hello, { from: "127.0.0.2" }),
    /EPRT .* -> 200 x\n$/,
    "timed out",
  ],
  [
    "drips a file",
    serving((data) => {
      const timer = setInterval(() => data.write("x"), 50);
      data.on("error", () => {}).on("close", () => clearInterval(timer));
    }),
    /EPSV -> 229 .*\n$/,
    "timed out",
  ],
  [
    "gives a reply of many lines",
    script(() => "220-x\r\n".repeat(101)),
    /^$/,
    PROTO,
  ],
  [
    "drips lines of a reply",
    (socket) => {
      const timer = setInterval(() => socket.write("220-x\r\n"), 50);
      socket.on("close", () => clearInterval(timer));
    },
    /^$/,
    "timed out",
  ],
  [
    "ends within a reply",
    (socket) => void socket.end("220-x\r\n"),
    /^$/,
    "ended",
  ],
  [
    "gives a line without end",
    script(() => `220 ${"x".repeat(70_000)}`),
    /^$/,
    "message too long",
  ],
];
