/**
 * Each end of the five seed programs against the other end in Python, which is
 * the language of the seeds: what goes over the wire is the same.
 */
import { describe, expect } from "bun:test";
import {
  commandFor,
  find,
  python,
  pythonCommand,
  run,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

const TIME = /^b'\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d'$/;

/** What each Python end receives from ours, and what ours prints last. */
const WIRE: Record<string, {
  fromServer: (string | RegExp)[];
  fromClient: string[];
  client: RegExp;
  server: RegExp;
}> = {
  tcp_hello: {
    fromServer: ["b'Hello World!'"],
    fromClient: [],
    client: /^Hello World!$/,
    server: /^Connection established with \('127\.0\.0\.1', \d+\)$/,
  },
  tcp_time: {
    fromServer: [TIME],
    fromClient: ["b'Time received successfully.'"],
    client: /^Received from server: [\d/]{10} [\d:]{8}$/,
    server: /^Acknowledgment from client: Time received successfully\.$/,
  },
  tcp_client_details: {
    fromServer: [TIME],
    fromClient: ["b'127.0.0.1'"],
    client: /^Date and Time: [\d/]{10} [\d:]{8}$/,
    server: /^Client Details: 127\.0\.0\.1$/,
  },
  tcp_address_lookup: {
    fromServer: ["b'6A:08:AA:C2'", "b'8A:BC:E3:FA'", "b'Not Found'"],
    fromClient: [
      "b'165.165.80.80'",
      "b'acknowledgement recived from the server'",
    ],
    client: /^6A:08:AA:C2$/,
    server: /^acknowledgement recived from the server -> Not Found$/,
  },
  tcp_thank_you: {
    fromServer: ["b'Thank you for connecting\\r\\n'"],
    fromClient: [],
    client: /^The time got from the server is Thank you for connecting$/,
    server: /^Got a connection from \('127\.0\.0\.1', \d+\)$/,
  },
};

for (const runtime of RUNTIMES) {
  const reason = python().reason ?? find(runtime).reason;
  const peers = (...args: string[]) => [
    ...pythonCommand("tests/peers/peers.py"),
    ...args,
  ];
  const ours = (name: string, ...args: string[]) => [
    ...commandFor(runtime, ["--allow-net"]),
    `scripts/${name}.ts`,
    ...args,
  ];

  describe(runtime, () => {
    for (const [name, wire] of Object.entries(WIRE)) {
      needing(reason, `${name}: our server, a Python client`, async () => {
        const server = start(
          ours(name, "server", "--port", "0", "--clients", "1"),
          { cwd: ROOT },
        );
        const [, port] = await server.said(/Listening on .*:(\d+)/);
        const peer = await run(peers(name, "client", port), { cwd: ROOT });
        const received = peer.stdout.trimEnd().split("\n");
        expect(received).toHaveLength(wire.fromServer.length);
        for (const [i, expected] of wire.fromServer.entries()) {
          if (typeof expected === "string") expect(received[i]).toBe(expected);
          else expect(received[i]).toMatch(expected);
        }
        const { code, stdout } = await server.finished;
        expect(stdout.trimEnd().split("\n").at(-1)).toMatch(wire.server);
        expect([peer.code, code]).toEqual([0, 0]);
      });

      needing(reason, `${name}: our client, a Python server`, async () => {
        const peer = start(peers(name, "server"), { cwd: ROOT });
        const [port] = await peer.said(/\d+/);
        const client = await run(ours(name, "client", "--port", port), {
          cwd: ROOT,
        });
        expect(client.stdout.trimEnd().split("\n").at(-1)).toMatch(wire.client);
        const { code, stdout } = await peer.finished;
        expect(stdout.trimEnd().split("\n").slice(1)).toEqual(wire.fromClient);
        expect([client.code, client.stderr, code]).toEqual([0, "", 0]);
      });
    }

    needing(
      reason,
      "tcp_address_lookup --reverse: a Python server",
      async () => {
        const peer = start(peers("tcp_address_lookup", "server"), {
          cwd: ROOT,
        });
        const [port] = await peer.said(/\d+/);
        const flags = ["client", "--port", port, "--reverse", "6A:08:AA:C2"];
        const client = await run(ours("tcp_address_lookup", ...flags), {
          cwd: ROOT,
        });
        // The original has no table for it.
        expect(client.stdout).toEndWith("\nNot Found\n");
        const { stdout } = await peer.finished;
        expect(stdout.split("\n")[1]).toBe("b'6A:08:AA:C2'");
        expect([client.code, client.stderr]).toEqual([0, ""]);
      },
    );
  });
}
