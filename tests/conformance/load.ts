/**
 * Many connections: CONFORMANCE.md group N.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decode, type StreamSocket } from "../../lib/mod.ts";
import {
  type Case,
  casesOf,
  descriptors,
  descriptorsFallTo,
  freeAddress,
  listening,
  rejects,
  rejectsWith,
  tcp,
} from "./fixtures.ts";

/** How many connections are open at once. */
const AT_ONCE = 50;

/** /proc has to be read. */
const RESOURCES = { statement: "95", needs: "all permissions" } as const;

export const cases: Case[] = [
  ...[200, 4000].flatMap((count) =>
    casesOf({ ...RESOURCES, gate: count > 1000 }, {
      async [
        `close() gives every descriptor back, after ${count} connections`
      ]() {
        const server = await listening();
        const serving = serve(server);
        await manyTimes(AT_ONCE, () => exchange(server, "x")); // warms up
        const before = descriptors();
        for (let round = 0; round < 2; round++) {
          await manyTimes(count / 2, () => exchange(server, "x"));
          await descriptorsFallTo(before + 3);
        }
        await server.close();
        await serving;
      },
    })
  ),
  ...casesOf(RESOURCES, {
    async "connect() that fails gives its descriptor back, 520 times"() {
      const nobody = await freeAddress();
      const server = await listening();
      const before = descriptors();
      await manyTimes(500, async () => {
        const client = tcp();
        await rejects(client.connect(nobody), "ECONNREFUSED");
        await client.close();
      });
      await manyTimes(20, async () => {
        const controller = new AbortController();
        const client = tcp();
        const connecting = client.connect(server.getsockname(), controller);
        controller.abort("no");
        await rejectsWith("no", connecting);
        await client.close();
      });
      await server.close();
      await descriptorsFallTo(before + 3);
    },
  }),
  ...casesOf("rule", {
    async "accept() serves 200 clients that come at once"() {
      const server = await listening();
      const serving = serve(server);
      await Promise.all(
        Array.from({ length: 200 }, (_, index) => exchange(server, `${index}`)),
      );
      await server.close();
      await serving;
    },
  }),
];

/** Echoes what each client sends first, all of them side by side. */
async function serve(server: StreamSocket): Promise<void> {
  for await (const [connection] of server) {
    connection.recv(100)
      .then((bytes) => connection.sendall(bytes))
      .finally(() => connection.close())
      .catch(() => {});
  }
}

async function exchange(server: StreamSocket, text: string): Promise<void> {
  const client = tcp();
  await client.connect(server.getsockname());
  await client.sendall(text);
  assert.equal(decode(await client.recv(100)), text);
  assert.equal((await client.recv(1)).length, 0);
  await client.close();
}

/** Calls `once` so many times, as a few workers side by side would. */
async function manyTimes(
  count: number,
  once: () => Promise<void>,
): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
