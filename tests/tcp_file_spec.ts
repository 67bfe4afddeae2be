/**
 * tcp_file and what it is made of: an answer in pieces, a shelf that no name leads
 * out of, a file that is saved whole or not at all; and its two ends in processes
 * of their own, with honest and other peers.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  FileAnswer,
  formatDigest,
  formatError,
  formatHead,
  formatRequest,
  parseRequest,
} from "../lib/protocols/file_transfer.ts";
import { random } from "../lib/services/random.ts";
import { saveFile } from "../lib/services/save_file.ts";
import { sha256 } from "../lib/services/sha256.ts";
import { chunksOf, openShelf } from "../lib/services/shelf.ts";
import { type CommandLine, runAll } from "./support/command_lines.ts";
import { command, nextTo, send, serverOn } from "./support/ends.ts";
import { figuresOf } from "./support/proc.ts";
import { find, run, type RuntimeName, RUNTIMES } from "./support/runtimes.ts";
import { failureOf, needing, testOn } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "tcp-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const encode = (text: string) => new TextEncoder().encode(text);
const digestOf = (bytes: string | Uint8Array) =>
  createHash("sha256").update(bytes).digest("hex");
const answerOf = (content: string) =>
  `${formatHead(content.length)}${content}${formatDigest(digestOf(content))}`;

describe("FileAnswer", () => {
  /** Pushes a stream in pieces, and gives the answer and the file's bytes. */
  function received(stream: Uint8Array, sizeOf: () => number) {
    const answer = new FileAnswer(sha256());
    let file = "";
    for (let at = 0; at < stream.length;) {
      const size = sizeOf();
      const bytes = answer.push(stream.subarray(at, at + size));
      file += new TextDecoder("latin1").decode(bytes);
      at += size;
    }
    const { code, complete, summary } = answer;
    return { file, code, complete, summary };
  }

  test("is the same in whatever pieces it comes", () => {
    let drawn = 0;
    for (const content of ["", "x", "\n", "sha256 \nfile 1\n".repeat(40)]) {
      const stream = encode(answerOf(content));
      for (let round = 1; round <= 300; round++) {
        const most = [1, 3, 80, 1000][round % 4];
        const sizeOf = () => 1 + Math.floor(most * random(round, drawn++));
        const size = content.length;
        expect(received(stream, sizeOf)).toEqual({
          file: content,
          code: undefined,
          complete: true,
          summary: `${size} of ${size} bytes, whole`,
        });
      }
    }
  });

  test("cut at any byte is not whole, and says what has come", () => {
    const stream = answerOf("hello");
    for (let size = 0; size < stream.length; size++) {
      const cut = encode(stream.slice(0, size));
      const { code, complete, summary } = received(cut, () => 7);
      const bytes = Math.min(Math.max(0, size - 7), 5);
      expect([complete, code, summary]).toEqual([
        false,
        ...size < 7 ? ["EPROTO", "no file"] : [
          "EBADMSG",
          `${bytes} of 5 bytes, ${bytes < 5 ? "cut short" : "without SHA-256"}`,
        ],
      ]);
    }
  });

  test("with one bit that is wrong is not whole", () => {
    const stream = encode(answerOf("hello"));
    for (let bit = 0; bit < 8 * stream.length; bit++) {
      const wrong = stream.slice();
      wrong[bit >> 3] ^= 1 << (bit & 7);
      expect([bit, received(wrong, () => 50).code]).toEqual([
        bit,
        expect.stringMatching(/^E(PROTO|BADMSG)$/),
      ]);
    }
  });

  test("is refused by a code of a few, and by nothing else", () => {
    for (
      const [line, code] of [
        [formatError("ENOENT"), "ENOENT"],
        [formatError("EACCES"), "EPERM"],
        ...["error EBADF\n", "error \x1b[2J\n", "error\n", "file -1\n"].map(
          (line) => [line, "EPROTO"],
        ),
        ["file 99999999999999\n", "EPROTO"],
        ["x".repeat(10_000), "EPROTO"],
        [`${answerOf("hello")}more`, "EPROTO"],
      ]
    ) {
      const answer = received(encode(line), () => 30);
      expect([line, answer.code]).toEqual([line, code]);
      expect(answer.complete).toBe(true);
    }
  });
});

test("parseRequest() takes what formatRequest() makes, and no other line", () => {
  for (const name of ["a", "a b", " ", "../x", "\0", "send"]) {
    for (const half of [true, false]) {
      const line = formatRequest({ name, half });
      expect(parseRequest(line.slice(0, -1))).toEqual({ name, half });
    }
  }
  for (const line of ["", "send", "send ", "SEND x", "sendx", " send x"]) {
    expect(parseRequest(line)).toBeUndefined();
  }
});

/** A folder with files, and with everything that leads out of it. */
const root = join(folder, "root");
const SECRET = "not for you";
mkdirSync(join(root, "sub/deep"), { recursive: true });
mkdirSync(join(folder, "root-2"));
for (const path of ["secret.txt", "root-2/secret.txt"]) {
  writeFileSync(join(folder, path), SECRET);
}
writeFileSync(join(root, "sub/a.txt"), "in sub");
writeFileSync(join(root, "one two.txt"), "in root");
const big = Uint8Array.from({ length: 3_000_001 }, (_, i) => i * i >> 3);
writeFileSync(join(root, "big"), big);
const LINKS = {
  "link-in": "sub/a.txt",
  "folder-in": "sub",
  "link-out": "../secret.txt",
  "folder-out": "..",
  "beside": "../root-2",
  "absolute": join(folder, "secret.txt"),
  "device": "/dev/zero",
  "process": "/proc/self/root",
  "loop": "loop",
  "dangling": "../nothing",
};
for (const [name, to] of Object.entries(LINKS)) {
  symlinkSync(to, join(root, name));
}
const noFifo = spawnSync("mkfifo", [join(root, "fifo")]).status === 0
  ? undefined
  : "there is no mkfifo";

/** Names that lead out of the folder, or try to. */
const OUTSIDE = [
  ...["..", "./..", "sub/../..", "sub/deep/../../..", ".//..", "...", "..;"],
  ...["%2e%2e", "%252e%252e", "..%2f..", "..%c0%af..", "%uff0e%uff0e", ".. "],
  ...["．．", "‥", "..\\..", "sub\\..\\..", "..\0", "\0/..", "~", "~root"],
  ...["folder-out", "folder-in/../..", "beside/..", "", "//", "/.", folder],
  ...["process", "file://", "C:", "\\\\?\\C:", "//127.0.0.1/share", "."],
].flatMap((way) => [
  `${way}/secret.txt`,
  `${way}/root-2/secret.txt`,
  `${way}/etc/passwd`,
]).concat([
  ...[
    "..",
    "../",
    "./",
    ".",
    "/",
    "//",
    "sub/..",
    "sub/../sub/a.txt",
    "a/b/..",
  ],
  ...["sub//a.txt", "./sub/a.txt", "sub/./a.txt", "sub/a.txt/", "sub/a.txt/."],
  ...[
    "link-out",
    "absolute",
    "device",
    "loop",
    "dangling",
    "beside/secret.txt",
  ],
  ...[
    "..\\secret.txt",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ",
    "sub\\a.txt",
  ],
  ...["notes.txt", "__proto__", "constructor", "sub/a.txt\0", "\0", "\x1b[2J"],
  ...[
    "x".repeat(300),
    `${"../".repeat(300)}etc/passwd`,
    "\ud800",
    "one two.txt ",
  ],
]);

describe("a shelf", () => {
  test("has the same two files in memory in every run", async () => {
    const shelf = await openShelf();
    const entries = await shelf.list();
    expect(entries).toEqual([
      { name: "notes.bin", size: 20_000, folder: false },
      { name: "notes.txt", size: 2773, folder: false },
    ]);
    const digests = entries.map(async ({ name }) => {
      const hash = sha256();
      const file = await shelf.open(name);
      for await (const chunk of chunksOf(file)) hash.update(chunk);
      return hash.digest("hex").slice(0, 16);
    });
    expect(await Promise.all(digests)).toEqual(DIGESTS);
    for (
      const name of ["", "toString", "__proto__", "notes.txt/", "/notes.txt"]
    ) {
      const failure = await failureOf(shelf.open(name));
      expect(failure).toMatchObject({ code: "ENOENT" });
    }
  });

  test("reads a file at any position, and to its end", async () => {
    for (const shelf of [await openShelf(), await openShelf(root)]) {
      const [name] = (await shelf.list()).filter(({ size }) => size > 9000)
        .map(({ name }) => name);
      const file = await shelf.open(name);
      const all: Uint8Array[] = [];
      for await (const chunk of chunksOf(file)) all.push(chunk.slice());
      const content = Buffer.concat(all);
      expect(content.length).toBe(file.size);
      for (const position of [0, 1, 8999, file.size - 1, file.size]) {
        const buffer = new Uint8Array(512);
        const count = await file.read(position, buffer);
        expect(count).toBe(Math.min(512, file.size - position));
        const part = content.subarray(position, position + count);
        expect(Buffer.compare(buffer.subarray(0, count), part)).toBe(0);
      }
      await file.close();
    }
  });

  test("serves what is below its folder, also by a link that stays", async () => {
    const shelf = await openShelf(root);
    for (const name of ["sub/a.txt", "link-in", "folder-in/a.txt"]) {
      const file = await shelf.open(name);
      expect(file).toMatchObject({ name, size: 6 });
      await file.close();
    }
    expect(await shelf.list()).toEqual([
      { name: "big", size: big.length, folder: false },
      { name: "folder-in", size: 0, folder: true },
      { name: "link-in", size: 6, folder: false },
      { name: "one two.txt", size: 7, folder: false },
      { name: "sub", size: 0, folder: true },
    ]);
    expect(await shelf.list("sub")).toEqual([
      { name: "a.txt", size: 6, folder: false },
      { name: "deep", size: 0, folder: true },
    ]);
  });

  test("ends early when a file becomes shorter", async () => {
    const shelf = await openShelf(folder);
    writeFileSync(join(folder, "shrinks"), new Uint8Array(1_000_000));
    const file = await shelf.open("shrinks");
    let read = 0;
    for await (const chunk of chunksOf(file)) {
      read += chunk.length;
      // The second chunk is being read.
      truncateSync(join(folder, "shrinks"), 600_000);
    }
    await file.close();
    expect([file.size, read]).toEqual([1_000_000, 600_000]);
  });

  test("fails with the chunk that cannot be read, however late it is asked for", async () => {
    const shelf = await openShelf(folder);
    writeFileSync(join(folder, "fails"), new Uint8Array(600_000));
    const file = await shelf.open("fails");
    const read = (at: number, room: Uint8Array) =>
      at > 0 ? Promise.reject(new Error("EIO")) : file.read(at, room);
    let chunks = 0;
    const all = async () => {
      for await (const _ of chunksOf({ ...file, read })) {
        chunks++;
        await Bun.sleep(20);
      }
    };
    expect(await failureOf(all())).toMatchObject({ message: "EIO" });
    for await (const _ of chunksOf({ ...file, read })) break;
    await file.close();
    expect(chunks).toBe(1);
  });

  test("lets no name out", async () => {
    const shelf = await openShelf(root);
    expect(OUTSIDE.length).toBeGreaterThan(100);
    for (const name of OUTSIDE) {
      const { code } = await failureOf(shelf.open(name)) as { code: string };
      expect([name, code]).toEqual([name, "ENOENT"]);
      if (name === "") continue; // the shelf itself
      const failure = await failureOf(shelf.list(name));
      expect([name, failure]).toEqual([
        name,
        expect.objectContaining({ code: "ENOENT" }),
      ]);
    }
  });

  test("has no folder that is none", async () => {
    for (
      const [path, code] of [["none", "ENOENT"], ["secret.txt", "ENOTDIR"]]
    ) {
      const failure = await failureOf(openShelf(join(folder, path)));
      expect(failure).toMatchObject({ code });
    }
  });
});

/** The first digits of the hashes of notes.bin and notes.txt. */
const DIGESTS = ["430ffe2539b1d6a9", "1621b4a8a080147e"];

describe("saveFile()", () => {
  const fresh = () => mkdtempSync(join(folder, "save-"));

  test("gives a file its name when it is kept", () => {
    const path = join(fresh(), "x");
    {
      using file = saveFile(path);
      file.write(encode("one "));
      file.write(encode("two"));
      expect(existsSync(path)).toBe(false);
      file.keep();
    }
    expect(readFileSync(path, "utf8")).toBe("one two");
    expect(readdirSync(join(path, ".."))).toEqual(["x"]);
  });

  test("leaves nothing of one that is not kept", () => {
    const path = join(fresh(), "x");
    {
      using file = saveFile(path);
      file.write(encode("one "));
    }
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });

  test("overwrites nothing: at its begin, nor at its end", () => {
    const path = join(fresh(), "x");
    {
      using file = saveFile(path);
      file.write(encode("new"));
      writeFileSync(path, "old");
      expect(() => file.keep()).toThrow(`Cannot save ${path}: `);
    }
    expect(() => saveFile(path)).toThrow(`Cannot save ${path}: `);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(join(path, ".."))).toEqual(["x"]);
    symlinkSync("nothing", `${path}-link`);
    expect(() => saveFile(`${path}-link`)).toThrow("Cannot save");
  });
});

/** A server that answers each request with something else. */
async function liar(answer: (client: net.Socket) => void) {
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {});
    client.once("data", () => answer(client));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return server;
}

const saying = (text: string) => (client: net.Socket) => void client.end(text);
const PROTO = "no answer that this program can use: is it the right server?";

/** What a server does, what its client prints at last, and why it fails. */
const LIES: [
  does: string,
  answer: (client: net.Socket) => void,
  last: RegExp,
  failure: string | RegExp,
][] = [
  [
    "sends less than it says",
    saying(`${formatHead(5000)}hello`),
    /: 5 of 5000 bytes, cut short\nThe stream has ended\n$/,
    "the stream ended in the middle of a message",
  ],
  [
    "sends more than it says, for ever",
    (client) => {
      client.write(`${formatHead(3)}hel`);
      const go = () => {
        while (client.writable && client.write("x".repeat(65536)));
      };
      client.on("drain", go);
      go();
    },
    /: 3 of 3 bytes, without SHA-256\nThe stream goes on\n$/,
    PROTO,
  ],
  [
    "sends a wrong hash",
    saying(answerOf("hello").replace("hello", "hallo")),
    /: 5 of 5 bytes, wrong SHA-256\n/,
    PROTO,
  ],
  [
    "sends no hash",
    saying(`${formatHead(5)}hello`),
    /: 5 of 5 bytes, without SHA-256\nThe stream has ended\n$/,
    "the stream ended in the middle of a message",
  ],
  ["closes", saying(""), /^notes.txt: no file\nThe stream has ended\n$/, PROTO],
  ["has no such file", saying("error ENOENT\n"), /: no file\n/, "no such file"],
  ["speaks HTTP", saying("HTTP/1.1 400 Bad\r\n\r\n"), /: no file\n/, PROTO],
  ["sends a line of 1 MB", saying("x".repeat(2 ** 20)), /: no file\n/, PROTO],
  ["forges a code", saying("error EBADF\x1b[2J\n"), /: no file\n/, PROTO],
  ["says nothing", () => {}, /^$/, "timed out"],
  [
    "sends a byte now and then",
    (client) => {
      client.write(formatHead(1000));
      let left = 50; // 3 s
      const drip = setInterval(() => {
        if (left-- > 0) client.write("x");
        else client.end();
      }, 60);
      client.on("close", () => clearInterval(drip));
    },
    /^$/,
    "timed out",
  ],
];

for (const runtime of RUNTIMES) {
  testOn(
    runtime,
    `a client tells what its server did, on ${runtime}`,
    async () => {
      const servers = await Promise.all(LIES.map(([, answer]) => liar(answer)));
      const ports = servers.map((server) =>
        String((server.address() as net.AddressInfo).port)
      );
      const lines = ports.map((port, i): CommandLine => {
        const late = LIES[i][3] === "timed out"; // the others have 30 s
        const limit = late ? ["--timeout", "400"] : [];
        return ["tcp_file", ["client", "--port", port, ...limit]];
      });
      const ended = await runAll(runtime, lines);
      for (const [i, [does, , last, failure]] of LIES.entries()) {
        const { code, stdout, stderr } = ended[i];
        expect([does, code]).toEqual([does, 1]);
        expect([does, stdout]).toEqual([does, expect.stringMatching(last)]);
        const [first] = stderr.split("\n");
        const line = `Cannot receive from 127.0.0.1:${ports[i]}: ${failure}`;
        expect([does, first]).toEqual([does, line]);
        expect(stdout + stderr).not.toContain("\x1b");
      }
      for (const server of servers) server.close();
    },
  );
}

const permissions = ["--allow-net", `--allow-read=${folder}`];
const saving = [...permissions, `--allow-write=${folder}`];

/** A client in a process of its own. */
function ask(runtime: RuntimeName, port: string, flags: string[]) {
  const args = ["client", "--port", port, ...flags];
  return run(command("tcp_file", runtime, args, saving));
}

for (const runtime of RUNTIMES) {
  const serving = nextTo(runtime);
  const { reason } = find(serving);
  const title = `a client on ${runtime}, a server on ${serving}`;
  needing(reason ?? find(runtime).reason, `${title}: real files`, async () => {
    const flags = ["--root", root];
    const { address, port, server, stop } = await serverOn(
      ...["tcp_file", serving, flags, permissions] as const,
    );
    const { descriptors = 0 } = figuresOf(server.pid) ?? {};
    // Clients that have asked and do not read hold their own places only.
    const deaf = Array.from({ length: 5 }, () => {
      const peer = net.connect(Number(port), "127.0.0.1").on("error", () => {});
      peer.pause().write("send big\n".repeat(20));
      return peer;
    });
    const path = join(folder, `saved-${runtime}`);
    const ended = await ask(runtime, port, ["--name", "big", "--save", path]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const { length } = big;
    expect(ended.stdout).toMatch(
      new RegExp(
        `^One recv\\(\\) gave \\d+ of ${length} bytes\n` +
          `big: ${length} of ${length} bytes, whole\nThe stream goes on\n$`,
      ),
    );
    expect(digestOf(readFileSync(path))).toBe(digestOf(big));

    // It is there now, and is not overwritten.
    writeFileSync(path, "mine");
    const again = await ask(runtime, port, ["--name", "big", "--save", path]);
    expect(again.code).toBe(1);
    expect(again.stderr).toStartWith(`Cannot save ${path}: `);
    expect(readFileSync(path, "utf8")).toBe("mine");

    // A file that is not there leaves nothing.
    const none = await ask(runtime, port, [
      "--name",
      "x",
      "--save",
      `${path}2`,
    ]);
    expect(none.code).toBe(1);
    expect(none.stderr).toBe(
      `Cannot receive from 127.0.0.1:${port}: no such file\n`,
    );
    expect(readdirSync(folder).filter((name) => name.includes(`${runtime}2`)))
      .toEqual([]);

    // No name leads out, and a FIFO does not stop the server.
    const asked = OUTSIDE.filter((name) => name !== "")
      .map((name) => formatRequest({ name, half: false }));
    const answers = await send(address, ...asked);
    expect(answers).toBe("error ENOENT\n".repeat(asked.length));
    const odd = ["send sub\n", ...noFifo ? [] : ["send fifo\n"]];
    const refused = await send(address, ...odd, "send one two.txt\n");
    expect(refused).toBe(
      `error EISDIR\n${noFifo ? "" : "error EPERM\n"}${answerOf("in root")}`,
    );
    for (const peer of deaf) peer.destroy();
    const open = () => figuresOf(server.pid)?.descriptors ?? 0;
    for (let n = 0; n < 100 && open() > descriptors; n++) await pause(50);
    expect(open()).toBeLessThanOrEqual(descriptors);
    expect(await stop()).toContain(
      "Cannot open fifo: operation not permitted\n",
    );
  });
}

const mount = ["-m", "mount", "-t", "tmpfs", "none", folder];
const noMount = spawnSync("unshare", mount).status === 0
  ? undefined
  : "a disk of its own needs root and unshare";

for (const runtime of RUNTIMES) {
  const title = `a full disk is told, and leaves nothing, on ${runtime}`;
  needing(noMount ?? find(runtime).reason, title, async () => {
    const disk = join(folder, `disk-${runtime}`);
    mkdirSync(disk);
    const flags = ["--root", root, "--name", "big", "--save", `${disk}/x`];
    const { code, stdout, stderr } = await run([
      ...["unshare", "-m", "sh", "-c"],
      `mount -t tmpfs -o size=1m none ${disk} && "$0" "$@"; code=$?; ls -A ${disk}; exit $code`,
      ...command("tcp_file", runtime, flags, saving),
    ]);
    // The server may have noticed already that the client has gone.
    const own = stderr.replace(/^server: Cannot send .+\n/m, "");
    expect(own.split("\n")).toEqual([
      `Cannot save ${disk}/x: no space left on device`,
      "Make room on its disk, or choose another path",
      "",
    ]);
    expect(stdout).toMatch(/^(server: .+\n)?$/); // and no file
    expect(code).toBe(1);
  });
}
