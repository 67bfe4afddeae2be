/**
 * What takes a network of its own: routes and firewalls that refuse, names and
 * name servers, zones of IPv6 addresses, and the system's own settings. See
 * `own_network.ts` for what is set up.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Address, decode, type StreamSocket } from "../../lib/mod.ts";
import {
  accepted,
  afterwards,
  type Case,
  casesOf,
  clientOf,
  freeAddress,
  listening,
  nameOf,
  newPath,
  pending,
  rejects,
  rejectsWith,
  tcp,
  udp,
  unix,
} from "./fixtures.ts";
import {
  ALL_HOSTS,
  FORBIDDEN,
  LINK_LOCAL,
  NAME,
  OTHER_END,
  OWN_NETWORK,
  SILENT,
  UNKNOWN_NAME,
  UNREACHABLE,
} from "./own_network.ts";

const needs = OWN_NETWORK;

/** How errors are told, by their codes. */
const WORDS: Record<string, RegExp> = {
  EHOSTUNREACH: /: no route to host$/,
  EACCES: /: permission denied$/,
  ENETUNREACH: /: network is unreachable$/,
};

const ROUTES = Object.entries(UNREACHABLE).flatMap(([code, hosts]) =>
  hosts.map((host) => ({ code, host }))
);

export const cases: Case[] = [
  // --- the true error ---

  ...ROUTES.flatMap(({ code, host }) =>
    casesOf({ statement: "24", needs }, {
      async [`connect() to ${host} is ${code}, as its route says`]() {
        const error = await rejects(tcp(host).connect([host, 80]), code);
        assert.match(error.message, WORDS[code]);
        assert.deepEqual(error.address, [host, 80]);
      },
      async [`connect() of a bound socket to ${host} is ${code}`]() {
        const client = tcp(host);
        await client.bind([host.includes(":") ? "::" : "0.0.0.0", 0]);
        await rejects(client.connect([host, 80]), code);
      },
      async [`sendto() to ${host} is ${code}, as its route says`]() {
        const sender = udp(host);
        for (let count = 0; count < 2; count++) {
          const error = await rejects(sender.sendto("x", [host, 9]), code);
          assert.match(error.message, WORDS[code]);
          assert.deepEqual(error.address, [host, 9]);
        }
        // The socket stays usable.
        const receiver = udp(host);
        await receiver.bind([host.includes(":") ? "::1" : "127.0.0.1", 0]);
        await sender.sendto("y", receiver.getsockname());
        assert.equal(decode((await receiver.recvfrom(9))[0]), "y");
      },
      async [`connect() of datagrams to ${host} is ${code}`]() {
        const client = udp(host);
        await rejects(
          client.connect([host, 9]).then(() => client.send("x")),
          code,
        );
      },
    })
  ),
  ...casesOf({ statement: "24", needs }, {
    async "sendto() that the firewall refuses is EPERM"() {
      const sender = udp();
      const error = await rejects(sender.sendto("x", [FORBIDDEN, 9]), "EPERM");
      assert.match(error.message, /: operation not permitted$/);
    },
    async "sendto() to all hosts of a network needs SO_BROADCAST, else EACCES"() {
      const sender = udp();
      await rejects(sender.sendto("x", [ALL_HOSTS, 9]), "EACCES");
      sender.setsockopt("SO_BROADCAST", true);
      assert.equal(await sender.sendto("x", [ALL_HOSTS, 9]), 1);
    },
    async "connect() is EADDRNOTAVAIL when the system has no port left"() {
      const server = await listening();
      setSystem("net/ipv4/ip_local_port_range", "50000 50003");
      let failed: Promise<unknown> | undefined;
      for (let count = 0; count < 8 && !failed; count++) {
        await clientOf(server).catch((error) => {
          failed = Promise.reject(error);
        });
      }
      const error = await rejects(failed!, "EADDRNOTAVAIL");
      assert.match(error.message, /: no free port on this machine$/);
    },
    async "bind() to a port below 1024 is EACCES without the capability"() {
      for (const socket of [tcp(), udp()]) {
        const error = await rejects(socket.bind(["127.0.0.1", 80]), "EACCES");
        assert.match(error.message, /^Cannot bind to 127.0.0.1:80: permission/);
        await socket.bind(["127.0.0.1", 0]);
      }
    },
    async "bind() and connect() in a folder that is closed to us are EACCES"() {
      const path = newPath();
      mkdirSync(path);
      const name = `${path}/s`;
      const server = unix();
      await server.bind(name);
      await server.listen();
      chmodSync(path, 0);
      afterwards(() => chmodSync(path, 0o700));
      await rejects(unix().bind(name), "EACCES");
      await rejects(unix().connect(name), "EACCES");
    },
    async "connect() to a socket file that is closed to us is EACCES"() {
      const path = newPath();
      const server = unix();
      await server.bind(path);
      await server.listen();
      chmodSync(path, 0);
      await rejects(unix().connect(path), "EACCES");
    },
    async "connect() to an AF_UNIX socket of datagrams is EPROTOTYPE"() {
      const path = newPath();
      await python(
        "s = socket(AF_UNIX, SOCK_DGRAM); s.bind(argv[1]); ready(); sleep(9)",
        path,
      );
      const error = await rejects(unix().connect(path), "EPROTOTYPE");
      assert.match(error.message, /: the path is another kind of socket$/);
    },
  }),
  ...casesOf({ statement: "6", needs }, {
    async "connect() and sendto() are EAI_AGAIN when no name server answers"() {
      const to: Address = [UNKNOWN_NAME, 80];
      const bound = tcp();
      await bound.bind(["127.0.0.1", 0]);
      for (
        const call of [
          tcp().connect(to),
          bound.connect(to),
          tcp().bind(to),
          udp().sendto("x", to),
          udp().connect(to),
        ]
      ) {
        const error = await rejects(call, "EAI_AGAIN");
        assert.match(error.message, /: no name server answers$/);
        assert.deepEqual(error.address, to);
      }
    },
    async "connect() to what cannot be a name is ENOTFOUND without a server"() {
      for (const host of ["no.such.host.invalid", "256.1.1.1", "a b"]) {
        await rejects(tcp().connect([host, 80]), "ENOTFOUND");
      }
    },
  }),
  ...casesOf({ statement: "25", needs, gate: true }, {
    async "connect() to a host that is silent is ETIMEDOUT when the kernel says so"() {
      const bound = tcp();
      await bound.bind(["0.0.0.0", 0]);
      const [, port] = SILENT;
      await Promise.all(
        [
          tcp().connect(SILENT),
          tcp().connect(["127.0.0.1", port]),
          bound.connect(SILENT),
        ].map((attempt) => rejects(attempt, "ETIMEDOUT")),
      );
    },
  }),

  // --- connect() is given up ---

  ...casesOf({ statement: "25", needs }, {
    async "connect() to a silent host sends no SYN once it is given up"() {
      for (const way of ["by number", "bound", "by an unawaited bind()"]) {
        for (let ticks = 0; ticks < 4; ticks++) {
          const client = tcp();
          if (way === "bound") await client.bind(["0.0.0.0", 0]);
          if (way === "by an unawaited bind()") client.bind(["0.0.0.0", 0]);
          const controller = new AbortController();
          const connecting = client.connect(SILENT, controller);
          for (let tick = 0; tick < ticks; tick++) await undefined;
          controller.abort("enough");
          await rejectsWith("enough", connecting);
          const closing = tcp();
          if (way !== "by number") closing.bind(["0.0.0.0", 0]);
          const other = closing.connect(SILENT);
          for (let tick = 0; tick < ticks; tick++) await undefined;
          await closing.close();
          await rejects(other, "EBADF");
        }
        await nobodyConnects();
      }
    },
    async "connect() to a silent host that timed out sends no more SYN"() {
      for (const bound of [false, true]) {
        const client = tcp();
        if (bound) await client.bind(["0.0.0.0", 0]);
        client.settimeout(50);
        await rejects(client.connect(SILENT), "ETIMEDOUT");
        await nobodyConnects();
      }
    },
  }),

  // --- names ---

  ...casesOf({ statement: "rule", needs }, {
    async "sendto() by name and by number keep the order of the calls"() {
      const [receiver, sender] = [udp(), udp()];
      await receiver.bind(["127.0.0.1", 0]);
      const [, port] = receiver.getsockname() as [string, number];
      const hosts = [NAME, "127.0.0.1", "localhost", NAME, "127.0.0.1"];
      for (const named of [false, true]) { // it has no name yet, and then one
        assert.equal(sender.getsockname()[1] !== 0, named);
        await Promise.all(
          hosts.map((host, index) => sender.sendto(`${index}`, [host, port])),
        );
        for (let index = 0; index < hosts.length; index++) {
          assert.equal(decode((await receiver.recvfrom(9))[0]), `${index}`);
        }
      }
    },
    async "sendto() by name that is aborted is not sent, and holds up none"() {
      const [receiver, sender] = [udp(), udp()];
      await receiver.bind(["127.0.0.1", 0]);
      await sender.bind(["127.0.0.1", 0]);
      const [, port] = receiver.getsockname() as [string, number];
      const controller = new AbortController();
      const first = sender.sendto("withdrawn", [NAME, port], controller);
      const second = sender.sendto("sent", ["127.0.0.1", port]);
      controller.abort("enough");
      await rejectsWith("enough", first);
      await second;
      assert.equal(decode((await receiver.recvfrom(9))[0]), "sent");
    },
    async "connect() by name that is given up in the same tick goes nowhere"() {
      const server = await listening();
      const [, port] = nameOf(server);
      for (const bound of [false, true]) {
        for (let ticks = 0; ticks < 4; ticks++) {
          const controller = new AbortController();
          const client = tcp();
          if (bound) client.bind(["127.0.0.1", 0]);
          const connecting = client.connect([NAME, port], controller);
          for (let tick = 0; tick < ticks; tick++) await undefined;
          controller.abort("enough");
          await rejectsWith("enough", connecting);
          await client.connect([NAME, port]);
          const connection = await accepted(server);
          assert.deepEqual(connection.getpeername(), client.getsockname());
        }
      }
    },
    async "close() while bind() or connect() looks up a name makes it EBADF"() {
      const [, port] = await freeAddress();
      for (const listens of [false, true]) {
        const server = tcp();
        const calls = [server.bind([NAME, port])];
        if (listens) calls.push(server.listen());
        const outcomes = calls.map((call) => rejects(call, "EBADF"));
        await server.close();
        await Promise.all(outcomes);
        const next = tcp();
        await next.bind(["127.0.0.1", port]);
        await next.listen();
        await next.close();
      }
      const client = tcp();
      const outcome = rejects(client.connect([NAME, port]), "EBADF");
      await client.close();
      await outcome;
      // A port that is free for TCP may be taken for UDP.
      const probe = udp();
      await probe.bind(["127.0.0.1", 0]);
      const free = Number(probe.getsockname()[1]);
      await probe.close();
      const datagrams = udp();
      const binding = rejects(datagrams.bind([NAME, free]), "EBADF");
      await datagrams.close();
      await binding;
      await udp().bind(["127.0.0.1", free]);
    },
    async "bind() by a name that nobody awaited is waited for by listen()"() {
      const [, port] = await freeAddress();
      for (const [family, own] of [["0.0.0.0", "127.0.0.1"], ["::", "::1"]]) {
        for (const host of [NAME, "localhost"]) {
          const server = tcp(family);
          server.bind([host, port]);
          await server.listen();
          assert.deepEqual(server.getsockname(), [own, port]);
          await server.close();
        }
      }
    },
  }),

  // --- zones ---

  ...casesOf({ statement: "90", needs }, {
    async "bind(), listen() and connect() take a zone, and the names show it"() {
      await overTheLink(tcp("::"));
    },
    async "connect() of a client that is bound takes a zone, too"() {
      const client = tcp("::");
      await client.bind([LINK_LOCAL, 0]);
      assert.equal(nameOf(client)[0], LINK_LOCAL);
      await overTheLink(client);
    },
    async "connect() through an interface that is not there fails in words"() {
      const attempt = tcp("::").connect(["fe80::1%none", 80]);
      const codes = ["ENODEV", "EINVAL", "ENOTFOUND"]; // getaddrinfo(3)'s or not
      const error = await rejects(attempt, ...codes);
      assert.doesNotMatch(error.message, /unknown/);
    },
    async "bind() of datagrams takes a zone, and getsockname() shows it"() {
      const socket = udp("::");
      await socket.bind([LINK_LOCAL, 0]);
      assert.equal(socket.getsockname()[0], LINK_LOCAL);
    },
    async "recvfrom() gives the sender's zone, and sendto() answers it"() {
      const [server, client] = [udp("::"), udp("::")];
      await server.bind(["::", 0]);
      await client.bind([LINK_LOCAL, 0]);
      const [, port] = server.getsockname() as [string, number];
      await client.sendto("who?", [LINK_LOCAL, port]);
      const [, address] = await server.recvfrom(9);
      assert.deepEqual(address, [LINK_LOCAL, Number(client.getsockname()[1])]);
      await server.sendto("me", address);
      assert.equal(decode((await client.recvfrom(9))[0]), "me");
    },
    async "recvfrom() of what is bound to a zone gives it with the sender"() {
      const [server, client] = [udp("::"), udp("::")];
      await server.bind([LINK_LOCAL, 0]);
      await client.bind([LINK_LOCAL, 0]);
      const [, port] = server.getsockname() as [string, number];
      await client.sendto("who?", [LINK_LOCAL, port]);
      const [, address] = await server.recvfrom(9);
      assert.deepEqual(address, client.getsockname());
      await server.sendto("me", address);
      const [, sender] = await client.recvfrom(9);
      assert.deepEqual(sender, server.getsockname());
    },
    async "sendto() sends through the interface of the zone"() {
      const [server, client] = [udp("::"), udp("::")];
      await server.bind(["::", 0]);
      const [, port] = server.getsockname() as [string, number];
      for (const own of [LINK_LOCAL, OTHER_END]) {
        const [host, zone] = own.split("%");
        await client.sendto(own, [`ff02::1%${zone}`, port]);
        // Both interfaces get it, since one sends it to itself, too.
        for (let text = ""; text !== own;) {
          const [data, sender] = await server.recvfrom(99);
          text = decode(data);
          if (text === own) assert.equal(sender[0].split("%")[0], host);
        }
      }
    },
    async "connect() of datagrams takes a zone, and receives from it"() {
      const [server, client] = [udp("::"), udp("::")];
      await server.bind([LINK_LOCAL, 0]);
      const [, port] = server.getsockname() as [string, number];
      await client.connect([LINK_LOCAL, port]);
      await client.send("who?");
      const [, address] = await server.recvfrom(9);
      await server.sendto("me", address);
      client.settimeout(1000);
      assert.equal(decode(await client.recv(9)), "me");
    },
  }),

  // --- the system's settings ---

  ...casesOf({ statement: "94", needs }, {
    async "setsockopt(SO_KEEPALIVE) asks when the system says, of a client"() {
      const server = await listening();
      const client = tcp();
      client.setsockopt("SO_KEEPALIVE", true);
      await client.connect(server.getsockname());
      await accepted(server);
      assert.ok(keepaliveOf(client) <= 1, `${keepaliveOf(client)} s`);
    },
    async "setsockopt(SO_KEEPALIVE) asks when the system says, of the accepted"() {
      const server = await listening();
      server.setsockopt("SO_KEEPALIVE", true);
      await clientOf(server);
      const connection = await accepted(server);
      assert.ok(keepaliveOf(connection) <= 1, `${keepaliveOf(connection)} s`);
    },
  }),
  ...casesOf({ statement: "94", needs, gate: true }, {
    async "setsockopt(SO_KEEPALIVE) finds out that the peer has vanished"() {
      const server = await listening();
      const client = tcp();
      client.setsockopt("SO_KEEPALIVE", true);
      await client.connect(server.getsockname());
      const connection = await accepted(server);
      connection.setsockopt("SO_KEEPALIVE", true);
      const [, port] = nameOf(server);
      const rule = ["add", "rule", "inet", "lab", "in", "tcp", "dport"];
      for (const gone of [port, nameOf(client)[1]]) {
        const { status } = spawnSync("nft", [...rule, `${gone}`, "drop"]);
        assert.equal(status, 0);
      }
      const silent = [client.recv(1), connection.recv_into(new Uint8Array(1))];
      await Promise.all(silent.map((one) => rejects(one, "ETIMEDOUT")));
    },
  }),

  // --- peers that are not JavaScript ---

  ...casesOf({ statement: "13", needs }, {
    async "connect() waits for room in a full AF_UNIX backlog"() {
      const name = `\0lab-full-${crypto.randomUUID()}`;
      const served = await python(
        `s = socket(AF_UNIX); s.bind("\\0" + argv[1]); s.listen(0); ready()
stdin.readline()
kept = [s.accept()[0] for i in range(4)]
for c in kept: c.sendall(b"served")
stdin.readline()`,
        name.slice(1),
      );
      const clients = [unix(), unix(), unix(), unix()];
      const connecting = clients.map((client) => client.connect(name));
      await connecting[0];
      await pending(Promise.race(connecting.slice(1)));
      const late = unix();
      late.settimeout(50);
      await rejects(late.connect(name), "ETIMEDOUT");
      const closed = unix();
      const closing = closed.connect(name);
      await pending(closing);
      await closed.close();
      await rejects(closing, "EBADF");
      served.stdin.write("go\n");
      await Promise.all(connecting);
      for (const client of clients) {
        assert.equal(decode(await client.recv(9)), "served");
      }
    },
  }),
  ...["AF_INET", "AF_UNIX"].flatMap((family) =>
    casesOf({ statement: "rule", needs }, {
      async [
        `connect() whose server replies and exits at once loses nothing (${family})`
      ]() {
        const name = `\0lab-early-${crypto.randomUUID()}`;
        const [, port] = await freeAddress();
        const inet = family === "AF_INET";
        await python(
          `s = socket(${family}); s.bind(${
            inet ? `("127.0.0.1", ${port})` : `"\\0" + argv[1]`
          }); s.listen(1); ready()
c, _ = s.accept(); c.sendall(b"hello"); c.close(); s.close()`,
          name.slice(1),
        );
        const client = inet ? tcp() : unix();
        const connected = client.connect(inet ? ["127.0.0.1", port] : name);
        for (const end = performance.now() + 150; performance.now() < end;);
        await connected;
        assert.equal(decode(await client.recv(9)), "hello");
        assert.equal((await client.recv(9)).length, 0);
      },
    })
  ),
];

/** Connects the client to a link-local address, whose zone each name shows. */
async function overTheLink(client: StreamSocket): Promise<void> {
  const server = await listening(LINK_LOCAL);
  const [host, port] = nameOf(server);
  assert.equal(host, LINK_LOCAL);
  await client.connect([LINK_LOCAL, port]);
  const [connection, address] = await server.accept();
  afterwards(() => connection.close());
  assert.deepEqual(client.getpeername(), [LINK_LOCAL, port]);
  assert.deepEqual(connection.getsockname(), [LINK_LOCAL, port]);
  assert.equal(nameOf(client)[0], LINK_LOCAL);
  assert.deepEqual(address, client.getsockname());
  assert.deepEqual(connection.getpeername(), address);
  await client.sendall("over the link");
  assert.equal(decode(await connection.recv(99)), "over the link");
}

/** Sets one of the system's settings, proc_sys(5), until the case has ended. */
function setSystem(setting: string, value: string): void {
  const path = `/proc/sys/${setting}`;
  const before = readFileSync(path, "utf8");
  afterwards(() => writeFileSync(path, before));
  writeFileSync(path, value);
}

/** Asserts that after a while no connection is in SYN-SENT, proc_net_tcp(5). */
async function nobodyConnects(): Promise<void> {
  const connecting = () =>
    readFileSync("/proc/net/tcp", "utf8").split("\n")
      .filter((line) => line.trim().split(/\s+/)[3] === "02");
  for (let ms = 1; connecting().length > 0 && ms < 500; ms *= 2) {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
  assert.deepEqual(connecting(), []);
}

/** In how many seconds the kernel asks the peer of an idle connection. */
function keepaliveOf(socket: StreamSocket): number {
  const port = nameOf(socket)[1].toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(
    `: 0100007F:${port} 0100007F:[0-9A-F]{4} 01 [0-9A-F:]+ 02:([0-9A-F]+)`,
  );
  while (true) { // a line that moves while the table is read is missed
    const [, ticks] = readFileSync("/proc/net/tcp", "utf8").match(line) ?? [];
    if (ticks) return Math.floor(parseInt(ticks, 16) / 100);
  }
}

/** A program in Python, once it has called `ready()`. */
async function python(code: string, argument: string) {
  const prelude = `
from socket import *
from sys import argv, stdin
from time import sleep
def ready(): print("ready", flush=True)
`;
  const child = spawn("python3", ["-S", "-c", prelude + code, argument], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  afterwards(async () => {
    child.kill("SIGKILL");
    await exited;
    child.stdin.destroy();
    child.stdout.destroy();
  });
  await once(child.stdout, "data");
  return child;
}
