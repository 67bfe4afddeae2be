/**
 * TFTP: its packets as the RFCs have them, transfers over a network that loses,
 * doubles and delays, and peers that do what they should not.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  type Address,
  AF_INET,
  type End,
  SOCK_DGRAM,
  socket,
} from "../lib/mod.ts";
import {
  ahead,
  answerTo,
  pack,
  type Packet,
  requestIn,
  termsOf,
  unpack,
} from "../lib/protocols/tftp.ts";
import { exchangeFile } from "../lib/services/tftp/client.ts";
import { losses } from "../lib/services/tftp/losses.ts";
import { openStore } from "../lib/services/tftp/store.ts";
import { Transfers } from "../lib/services/tftp/transfers.ts";
import { numbers } from "./support/fuzz.ts";
import { play } from "./support/play.ts";
import { load } from "./support/scripts.ts";
import { alongside, failureOf } from "./support/test_on.ts";
import {
  badNetwork,
  expectWhole,
  fuzzNetascii,
  fuzzPackets,
  openPeer,
  read,
} from "./support/tftp.ts";

setDefaultTimeout(60_000);

const files = await load("tftp_files");
const HASH = /^430ffe2539b1d6a9/;
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));
const options = (record: Record<string, string>) =>
  new Map(Object.entries(record));
const reading = (record: Record<string, string>) =>
  requestIn(pack(read("a", record)))!;

describe("pack() and unpack()", () => {
  const EXAMPLES: [Packet, string][] = [
    [read("a.b"), "\0\x01a.b\0octet\0"],
    [
      {
        ...{ kind: "write", name: "a", mode: "octet" },
        options: options({ blksize: "1428", tsize: "7" }),
      },
      "\0\x02a\0octet\0blksize\x001428\0tsize\x007\0",
    ],
    [{ kind: "data", block: 258, data: bytes("x\0") }, "\0\x03\x01\x02x\0"],
    [{ kind: "ack", block: 65535 }, "\0\x04\xff\xff"],
    [{ kind: "error", code: 5, message: "no" }, "\0\x05\0\x05no\0"],
    [
      { kind: "oack", options: options({ windowsize: "8" }) },
      "\0\x06windowsize\x008\0",
    ],
  ];
  for (const [packet, wire] of EXAMPLES) {
    test(`put a packet of kind ${packet.kind} as the RFCs have it`, () => {
      expect(pack(packet)).toEqual(bytes(wire));
      expect(unpack(bytes(wire))).toEqual(packet);
    });
  }

  test("take names of options and modes in any case", () => {
    expect(unpack(bytes("\0\x01a\0OcTeT\0BlkSize\x008\0"))).toEqual({
      ...{ kind: "read", name: "a", mode: "octet" },
      options: options({ blksize: "8" }),
    });
  });

  for (
    const wrong of [
      ...[
        "",
        "\0",
        "\0\x01",
        "\0\x01a\0octet",
        "\0\x01a\0\0",
        "\0\x01\0octet\0",
      ],
      ...["\x01\x01a\0octet\0", "\0\0abc", "\0\x07abc", "\0\x04\0", "\0\x03\0"],
      ...["\0\x01a\0octet\0tsize\0", "\0\x06tsize\0", "\0\x06tsize\x001"],
      ...["\0\x01a\0octet\0tsize\x001\0TSIZE\x001\0"],
      `\0\x01${"a".repeat(512)}\0octet\0`,
    ]
  ) {
    test(`take no ${JSON.stringify(wrong.slice(0, 40))}`, () => {
      expect(unpack(bytes(wrong))).toBeUndefined();
    });
  }

  test("survive 5,000 random datagrams", () => fuzzPackets(5000));
});

test("netascii is undone in whatever pieces it comes", () => {
  fuzzNetascii(5000);
});

test("ahead() counts on after block 65535", () => {
  expect([0, 1, 65535].map((bits) => ahead(bits, 65536))).toEqual([0, 1, -1]);
  expect(ahead(32767, 0)).toBe(32767);
  expect(ahead(32768, 0)).toBe(-32768);
});

describe("answerTo()", () => {
  test("leaves out options that it does not know, and nonsense", () => {
    for (
      const [name, value] of [
        ...[["blksize", "7"], ["blksize", "65465"], ["blksize", "1e3"]],
        ...[["windowsize", "0"], ["windowsize", "65536"], ["timeout", "0"]],
        ...[["timeout", "256"], ["tsize", "9".repeat(30)], ["multicast", ""]],
      ]
    ) {
      const { accepted } = answerTo(reading({ [name]: value }), 5);
      expect([...accepted]).toEqual([]);
    }
  });

  test("lowers a window that is too large, and tells the size", () => {
    const asked = { windowsize: "65535", blksize: "65464", tsize: "0" };
    const { accepted, terms } = answerTo(reading(asked), 20_000);
    expect(Object.fromEntries(accepted)).toEqual({
      ...{ blksize: "65464", windowsize: "2", tsize: "20000" },
    });
    expect(terms).toEqual({ blksize: 65464, windowsize: 2, size: 20_000 });
    expect(answerTo(reading({ tsize: "0" })).accepted.size).toBe(0);
  });
});

test("termsOf() takes no more than was asked for", () => {
  const asked = options({ blksize: "1024", windowsize: "8", tsize: "0" });
  const terms = (record: Record<string, string>) =>
    termsOf(asked, options(record));
  expect(terms({ blksize: "512", windowsize: "1", tsize: "9" })).toEqual({
    ...{ blksize: 512, windowsize: 1, size: 9 },
  });
  for (
    const [name, value] of [
      ...[["blksize", "1025"], ["windowsize", "9"], ["windowsize", "0"]],
      ...[["timeout", "1"], ["blksize", "x"]],
    ]
  ) expect(terms({ [name]: value })).toBeUndefined();
});

/** What happens to the server of the experiment while `client` runs. */
function serving(client: (end: End) => Promise<unknown>, flags = {}) {
  return play(files, { flags: { loss: "0", ...flags } }, client);
}

async function get(address: Address, wish = {}) {
  await using own = socket(AF_INET, SOCK_DGRAM);
  own.settimeout(20_000);
  const all = { name: "notes.bin", windowsize: 8, ...wish };
  return await exchangeFile(own, address, all);
}

describe("tftp_files", () => {
  alongside("loses the same blocks with a window of 1 and of 8", async () => {
    const { clients, lines } = await play(files);
    expect(clients).toEqual([[expect.stringMatching(HASH)]]);
    const sent = lines.filter((line) => line.startsWith("server:"));
    expect(sent).toHaveLength(2);
    for (const line of sent) {
      expect(line).toMatch(
        /^server: Sent notes\.bin: 40 blocks, 8 of \d+ sends lost$/,
      );
    }
  });

  test("tells that everything is lost", async () => {
    const flags = { loss: "1" };
    const failed = failureOf(play(files, { flags, timeout: 300 }));
    expect(await failed).toMatchObject({ code: "ETIMEDOUT" });
  });

  test("serves 100 clients at once", async () => {
    const { clients: [results] } = await serving(({ address }) =>
      Promise.all(Array.from({ length: 100 }, () => get(address)))
    );
    const hashes = (results as { hash: string }[]).map(({ hash }) => hash);
    expect(hashes).toEqual(Array(100).fill(expect.stringMatching(HASH)));
  });

  test("serves beside 1,000 requests whose senders never answer", async () => {
    await serving(async ({ address }) => {
      for (let i = 0; i < 10; i++) {
        const forgers = await Promise.all(
          Array.from({ length: 100 }, () => openPeer()),
        );
        for (const forger of forgers) forger.send(read(), address);
        expect((await get(address)).hash).toMatch(HASH);
        await Promise.all(forgers.map((one) => one[Symbol.asyncDispose]()));
      }
    });
  });

  alongside(
    "sends a block to a client that never answers five times",
    async () => {
      const { notes } = await serving(async ({ address }) => {
        await using peer = await openPeer();
        peer.send(read(), address);
        peer.send(read(), address); // again, as if there had been no answer
        const heard = [];
        for (let i = 0; i < 5; i++) heard.push(await peer.next());
        expect(new Set(heard.map(({ from }) => String(from))).size).toBe(1);
        for (const { packet } of heard) {
          expect(packet).toMatchObject({ kind: "data", block: 1 });
        }
        const { length } = peer.heard;
        await Bun.sleep(2200); // longer than the last wait
        expect(peer.heard.length).toBe(length);
      });
      expect(notes).toEqual([expect.stringMatching(/ timed out$/)]);
    },
  );

  alongside("never answers a doubled acknowledgement with data", async () => {
    for (const windowsize of [1, 8]) {
      await serving(async ({ address }) => {
        await using peer = await openPeer();
        peer.send(read("notes.bin", { windowsize }), address);
        const { from } = await peer.next(); // OACK
        for (const _ of "abc") peer.send({ kind: "ack", block: 0 }, from);
        const blocks = [];
        while (blocks.length < 40) {
          const { packet } = await peer.next();
          if (packet?.kind !== "data") throw new Error("no data");
          blocks.push(packet.block);
          const whole = packet.block % windowsize === 0;
          for (const _ of whole ? "abc" : "") {
            peer.send({ kind: "ack", block: packet.block }, from);
          }
        }
        expect(blocks).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      });
    }
  });

  test("tells strangers so, and goes on undisturbed", async () => {
    await serving(async ({ address }) => {
      await using peer = await openPeer();
      await using stranger = await openPeer();
      await using other = await openPeer("127.0.0.2");
      peer.send(read("notes.bin", { tsize: "0" }), address);
      const { packet, from } = await peer.next();
      expect(packet).toMatchObject({ kind: "oack" });
      const forged: Packet[] = [
        { kind: "error", code: 0, message: "stop" }, // never answered
        { kind: "ack", block: 40 },
      ];
      for (const one of forged) stranger.send(one, from);
      other.send({ kind: "data", block: 1, data: bytes("x") }, from);
      for (const one of [stranger, other]) {
        const refused = await one.next();
        expect(refused).toMatchObject({ packet: { kind: "error", code: 5 } });
      }
      for (let i = 0; i < 50; i++) {
        stranger.send({ kind: "ack", block: 0 }, from);
      }
      for (let block = 0; block <= 40; block++) {
        peer.send({ kind: "ack", block }, from);
        if (block === 40) break;
        const answer = await peer.next();
        expect(answer.packet).toMatchObject({ kind: "data", block: block + 1 });
      }
      expect(stranger.heard.length).toBeLessThan(9);
    });
  });

  test("ignores what is no request, and answers no server", async () => {
    await serving(async ({ address }) => {
      await using peer = await openPeer();
      const all: Packet[] = [
        { kind: "data", block: 1, data: bytes("x") },
        { kind: "ack", block: 0 },
        { kind: "error", code: 5, message: "" },
        { kind: "oack", options: options({ tsize: "1" }) },
      ];
      for (const one of all) peer.send(one, address);
      peer.send(bytes("\0\x01notes.bin\0octet"), address);
      expect((await get(address)).hash).toMatch(HASH);
      expect(peer.heard).toEqual([]);
    });
  });

  test("refuses what it cannot do, with the error of the RFC", async () => {
    await serving(async ({ address }) => {
      const CASES: [Packet, number][] = [
        [read("nothing"), 1],
        [read("../notes.bin"), 1],
        [read("/etc/passwd"), 1],
        [read("__proto__"), 1],
        [read("notes.bin", {}, "mail"), 4],
        [{ ...read("notes.bin"), kind: "write" } as Packet, 6],
        [{ ...read("a/b"), kind: "write" } as Packet, 2],
        [{ ...read("a", { tsize: "99999999" }), kind: "write" } as Packet, 3],
      ];
      for (const [request, code] of CASES) {
        await using peer = await openPeer();
        peer.send(request, address);
        const { packet } = await peer.next();
        expect(packet).toMatchObject({ kind: "error", code });
      }
    });
  });

  alongside("keeps what a client writes, and overwrites nothing", async () => {
    const folder = mkdtempSync(`${tmpdir()}/tftp-`);
    const [root, put] = [`${folder}/in`, `${folder}/one.bin`];
    const content = Uint8Array.from({ length: 5120 }, (_, i) => i * i);
    writeFileSync(put, content);
    try {
      await serving(async ({ address }) => {
        await get(address, { name: "new", put });
        const { bytes } = await get(address, { name: "new" });
        expect(bytes).toBe(5120);
        const again = failureOf(get(address, { name: "new", put }));
        expect(String(await again)).toEndWith("already exists (error 6)");
      });
      const inbox = mkdtempSync(`${folder}/inbox-`);
      await serving(async ({ address }) => {
        await get(address, { name: "new", put });
        expect(new Uint8Array(readFileSync(`${inbox}/new`))).toEqual(content);
        const again = failureOf(get(address, { name: "new", put }));
        expect(String(await again)).toContain("(error 6)");
        await using peer = await openPeer();
        peer.send({ ...read("half"), kind: "write" } as Packet, address);
        const { from } = await peer.next();
        peer.send(
          { kind: "data", block: 1, data: content.slice(0, 512) },
          from,
        );
        await peer.next();
        peer.send({ kind: "error", code: 0, message: "I leave" }, from);
        while (readdirSync(inbox).length > 1) await Bun.sleep(10);
        expect(readdirSync(inbox)).toEqual(["new"]);
      }, { inbox });
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(existsSync(root)).toBe(false);
  });

  alongside("lets no name and no link lead out of --root", async () => {
    const folder = mkdtempSync(`${tmpdir()}/tftp-`);
    const root = mkdtempSync(`${folder}/root-`);
    writeFileSync(`${folder}/secret`, "secret");
    writeFileSync(`${root}/open`, "open");
    symlinkSync(`${folder}/secret`, `${root}/link`);
    try {
      await serving(async ({ address }) => {
        expect((await get(address, { name: "open" })).bytes).toBe(4);
        for (const name of ["../secret", "link", `${folder}/secret`, "."]) {
          const failed = failureOf(get(address, { name }));
          expect([name, String(await failed)]).toEqual([
            name,
            expect.stringMatching(/\(error [12]\)$/),
          ]);
        }
        const put = `${root}/open`;
        const denied = failureOf(get(address, { name: "x", put }));
        expect(String(await denied)).toContain("Access violation (error 2)");
      }, { root });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const windowsize of [1, 8]) {
    const title = `gets through a bad network with a window of ${windowsize}`;
    alongside(title, async () => {
      const next = numbers(windowsize);
      const { lines } = await serving(async ({ address }) => {
        using network = await badNetwork(address, () => ({
          copies: [0, 1, 1, 1, 1, 2][next(6)],
          delay: next(4) === 0 ? next(8) : 0,
        }));
        const { hash } = await get(network.address, { windowsize });
        expect(hash).toMatch(HASH);
      });
      // The server may not learn that the last block has arrived.
      for (const line of lines) expect(line).toContain(" 40 blocks, 0 of ");
    });
  }
});

describe("a client", () => {
  /** Answers each request by `act`; gives what became of the client. */
  async function against(
    act: (peer: Awaited<ReturnType<typeof openPeer>>, to: Address) => unknown,
    wish = {},
  ): Promise<string> {
    await using server = await openPeer();
    const result = get(["127.0.0.1", server.port], wish).then(
      ({ bytes }) => `${bytes} bytes`,
      ({ code, message }) => `${code} ${message}`,
    );
    const { from } = await server.next();
    await using peer = await openPeer();
    await act(peer, from);
    return await result;
  }
  const data = (block: number, length = 512): Packet => ({
    ...{ kind: "data", block, data: new Uint8Array(length) },
  });
  const oack = (record: Record<string, string>): Packet => ({
    ...{ kind: "oack", options: options(record) },
  });

  test("takes a plain answer to a request with options", async () => {
    const result = await against((peer, to) => peer.send(data(1, 5), to));
    expect(result).toBe("5 bytes");
  });

  test("tells a server's refusal in one line, and escapes it", async () => {
    const message = "no\x1b[2J\nway";
    const result = await against((peer, to) =>
      peer.send({ kind: "error", code: 7, message }, to)
    );
    expect(result).toMatch(
      /^EPROTO Cannot receive from 127\.0\.0\.1:\d+: no\\x1b\[2J\\nway \(error 7\)$/,
    );
  });

  test("takes no file that is shorter or longer than it should be", async () => {
    const short = await against(async (peer, to) => {
      peer.send(oack({ tsize: "9" }), to);
      await peer.next();
      peer.send(data(1, 8), to);
    });
    expect(short).toStartWith("EBADMSG ");
    const long = await against(async (peer, to) => {
      peer.send(oack({ tsize: "1000" }), to);
      for (let block = 1; block < 3; block++) {
        await peer.next();
        peer.send(data(block), to);
      }
    });
    expect(long).toStartWith("EFBIG ");
  });

  test("refuses options that it has not asked for", async () => {
    const refused: unknown[] = [];
    const result = await against(async (peer, to) => {
      peer.send(oack({ blksize: "1024" }), to);
      refused.push((await peer.next()).packet);
    });
    expect(result).toStartWith("EPROTO ");
    expect(refused).toMatchObject([{ kind: "error", code: 8 }]);
  });

  alongside(
    "gives up a server that falls silent or sends nonsense",
    async () => {
      await using server = await openPeer();
      await using own = socket(AF_INET, SOCK_DGRAM);
      own.settimeout(300);
      const wish = { name: "a", windowsize: 1 };
      const address: Address = ["127.0.0.1", server.port];
      const silent = await failureOf(exchangeFile(own, address, wish));
      expect(silent).toMatchObject({ code: "ETIMEDOUT" });
      await using next = socket(AF_INET, SOCK_DGRAM);
      next.settimeout(300);
      const failed = failureOf(exchangeFile(next, address, wish));
      const nonsense = setInterval(() => {
        const from = server.heard.at(-1)!.from;
        for (
          const one of [data(9), data(1, 513), { ...data(1), kind: "ack" }]
        ) {
          server.send(one as Packet, from);
        }
      }, 5);
      expect(await failed).toMatchObject({ code: "ETIMEDOUT" });
      clearInterval(nonsense);
    },
  );
});

test("the oldest transfer that nobody has answered gives way", async () => {
  const store = await openStore({});
  const transfers = new Transfers({ store, losses: () => 0, most: 2 });
  const notes = requestIn(pack(read()))!;
  const begin = async (port: number) => {
    const own = socket(AF_INET, SOCK_DGRAM);
    await own.bind(["127.0.0.1", 0]);
    return transfers.run(own, ["127.0.0.1", port], notes);
  };
  const all = [1, 2, 3].map((port) => begin(port));
  expect(await all[0]).toBeUndefined();
  await transfers.end();
  expect(await Promise.all(all)).toEqual([undefined, undefined, undefined]);
});

test("losses() are the same however often a block is sent", () => {
  const lost = losses(0.3, 7);
  const all = Array.from({ length: 1000 }, (_, block) => lost(block));
  expect(all).toEqual(Array.from({ length: 1000 }, (_, block) => lost(block)));
  const share = all.reduce((a, b) => a + b) / 1000; // 0.3 / 0.7
  expect(share).toBeWithin(0.35, 0.5);
});

for (const [length, blksize] of [[0, 512], [512, 512], [5000, 65464]]) {
  test(`${length} bytes in blocks of ${blksize} arrive`, async () => {
    const content = new Uint8Array(length).map((_, i) => i * 7);
    await expectWhole(content, { blksize, windowsize: 4 });
  });
}
