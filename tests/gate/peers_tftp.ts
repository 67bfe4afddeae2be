/**
 * Other TFTP clients and servers at either end of tftp_files, on each runtime:
 * files that are read and written, some with losses. `TFTP_FILES=100` exchanges
 * 100 each way.
 */
import { describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import {
  CLIENTS,
  dnsmasq,
  folderOf,
  lacking,
  noRoot,
  serveFolder,
  SERVERS,
  SIZES,
} from "../peers/tftp.ts";
import { command, serverOn } from "../support/ends.ts";
import { numbers } from "../support/fuzz.ts";
import { find, run, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";
import { badNetwork } from "../support/tftp.ts";
import { reasonAgainst } from "../conformance/own_network.ts";

const COUNT = Number(process.env.TFTP_FILES ?? 20);
const FILES = Array.from({ length: COUNT }, (_, i) => SIZES[i % SIZES.length]);
const ALLOWED = ["--allow-net", "--allow-read", "--allow-write"];

function expectSame(one: string, other: string): void {
  const same = Buffer.compare(readFileSync(one), readFileSync(other)) === 0;
  expect([one, other, same]).toEqual([one, other, true]);
}

for (const runtime of RUNTIMES) {
  const no = find(runtime).reason;
  describe(runtime, () => {
    for (const [name, client] of Object.entries(CLIENTS)) {
      const reason = no ?? lacking(name, client.package);
      for (const loss of ["0", "0.3"]) {
        const title = `${name} reads and writes ${COUNT} files, --loss ${loss}`;
        needing(reason, title, async () => {
          using root = folderOf(FILES);
          using inbox = folderOf([]);
          using own = folderOf([]);
          const flags = ["--root", root.path, "--inbox", inbox.path];
          flags.push("--loss", loss);
          const { port, stop } = await serverOn(
            ...["tftp_files", runtime, flags, ALLOWED] as const,
          );
          await Promise.all(FILES.map(async (size, i) => {
            const [from, to] = [`${root.path}/${i}.bin`, `${own.path}/${i}`];
            // A client that reads nothing may create no file.
            if (size === 0) writeFileSync(to, "");
            const got = await run(client.get(port, `${i}.bin`, to));
            expect(got.code).toBe(0);
            expectSame(from, to);
            // These wait 5 s for each block that is lost.
            if (loss !== "0" && size > 1000) return;
            const put = await run(client.put(port, `w${i}`, from));
            expect(put.code).toBe(0);
            expectSame(from, `${inbox.path}/w${i}`);
          }));
          await stop();
        });
      }
    }

    for (const [name, server] of Object.entries(SERVERS)) {
      const reason = no ?? noRoot ?? lacking(name, server.package);
      needing(
        reason,
        `${COUNT} clients of ${name} read and write`,
        async () => {
          using folder = folderOf([20_000, 5120, 2500]);
          await using served = await serveFolder(server, folder.path);
          const { path } = folder;
          const client = (port: string, ...flags: string[]) =>
            run(command(
              "tftp_files",
              runtime,
              ["client", "--port", port, ...flags],
              ALLOWED,
            ));
          const many = ["--clients", String(COUNT)];
          const got = await client(served.port, "--file", "0.bin", ...many);
          expect(got).toMatchObject({ code: 0, stderr: "" });
          const windows = got.stdout.match(/^Window of \d+: 40 blocks/gm) ?? [];
          const line = (window: number) => `Window of ${window}: 40 blocks`;
          expect([...windows]).toEqual(
            Array(COUNT).fill([line(1), line(server.window)]).flat(),
          );
          const put = ["--put", `${path}/1.bin`, "--file", "2.bin"];
          const sent = await client(served.port, ...put, ...many);
          expect(sent).toMatchObject({ code: 0, stderr: "" });
          expectSame(`${path}/1.bin`, `${path}/2.bin`);

          const next = numbers(7);
          using network = await badNetwork(
            ["127.0.0.1", Number(served.port)],
            () => ({ copies: next(10) ? 1 : 0, delay: 0 }),
          );
          const port = String(network.address[1]);
          const save = ["--file", "1.bin", "--save", `${path}/saved`];
          const saved = await client(port, ...save);
          expect(saved).toMatchObject({ code: 0, stderr: "" });
          expectSame(`${path}/1.bin`, `${path}/saved`);
        },
        120_000,
      );
    }

    const alone = no ?? reasonAgainst() ?? lacking("dnsmasq", "dnsmasq-base");
    needing(alone, `${COUNT} clients of dnsmasq read`, async () => {
      using folder = folderOf([20_000]);
      const flags = ["client", "--port", "69", "--file", "0.bin"];
      flags.push("--clients", String(COUNT));
      const words = [
        command("tftp_files", runtime, flags, ALLOWED),
        dnsmasq(folder.path),
      ].map((words) => words.map((word) => `'${word}'`).join(" "));
      const script = `ip link set lo up; ${words[1]} 2>/dev/null & server=$!
        until grep -q :0045 /proc/net/udp; do sleep 0.1; done
        ${words[0]}; code=$?; kill $server; wait; exit $code`;
      const ended = await run(["unshare", "--net", "sh", "-c", script]);
      expect(ended).toMatchObject({ code: 0, stderr: "" });
      const lines = ended.stdout.match(/^Window of 1: 40 blocks in/gm);
      expect(lines).toHaveLength(2 * COUNT);
    });
  });
}
