/**
 * What goes wrong only between two hosts: the network takes time, loses packets
 * and doubles them. The gate has every experiment on each bad network.
 */
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import process from "node:process";
import { start as startProcess } from "../scripts/tools/support/processes.ts";
import { nextTo } from "./support/ends.ts";
import { play } from "./support/play.ts";
import { runApart } from "./support/remote_ends.ts";
import { find, RUNTIMES } from "./support/runtimes.ts";
import { load, ROOT } from "./support/scripts.ts";
import { needing } from "./support/test_on.ts";
import { noTwoHosts } from "./support/two_hosts.ts";

const linux = process.platform === "linux" ? undefined : "needs Linux";

needing(linux, "names connects to the host of --host", async () => {
  const { lines } = await play(await load("names"), { host: "127.0.0.2" });
  expect(lines.filter((line) => line.includes("has sent"))).toEqual([
    'server: "127.0.0.2" has sent me a client',
  ]);
});

if (noTwoHosts) needing(noTwoHosts, "two hosts", async () => {});
else {
  describe("two hosts", () => {
    for (const client of RUNTIMES) {
      const server = nextTo(client);
      const reason = find(client).reason ?? find(server).reason;
      const title = `a client on ${client}, a server on ${server}`;

      needing(reason, `tcp_backlog serves all 12: ${title}`, async () => {
        const ends = { script: "tcp_backlog", client, server };
        const network = { delay: 20 };
        const { client: { code, stdout, stderr } } = await runApart(
          { ...ends, network },
        );
        expect(stdout).toContain("None was refused: 12 of 12 served");
        expect(stdout).toContain("The queue of listen(5) is unseen from here");
        expect([code, stderr]).toEqual([0, ""]);
      });

      needing(reason, `udp_datagrams loses none: ${title}`, async () => {
        const network = { delay: 120 };
        const ends = { script: "udp_datagrams", client, server, network };
        const { stdout } = (await runApart(ends)).client;
        expect(stdout).toContain("10 sent, 7 received, 30% lost");
      });

      needing(reason, `names finds the server: ${title}`, async () => {
        const ends = { script: "names", client, server, network: {} };
        const ended = await runApart(ends);
        expect(ended.client).toMatchObject({ code: 0, stderr: "" });
        expect(ended.server.stdout).toBe(
          '"10.77.0.2" has sent me a client\n',
        );
      });
    }

    needing(undefined, "end with the process that has them", async () => {
      const holder = startProcess([
        process.execPath,
        `${ROOT}tests/support/two_hosts_holder.ts`,
      ]);
      const [, ...pids] = await holder.said(/^(\d+) (\d+)$/m);
      expect(pids.map(runs)).toEqual([true, true]);
      holder.signal("SIGKILL");
      await holder.ended;
      for (let n = 0; n < 100 && pids.some(runs); n++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(pids.map(runs)).toEqual([false, false]);
    });
  });
}

function runs(pid: string): boolean {
  return existsSync(`/proc/${pid}`);
}
