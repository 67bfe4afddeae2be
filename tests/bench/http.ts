/**
 * What HTTP costs on the lab's sockets: requests a second on 8 connections that
 * stay open, to the server of http_pages without what it prints, to node:http on
 * the same runtime, and to Python's http.server, in turns.
 *
 *     bun tests/bench/http.ts [ROUNDS]
 *
 * wrk asks (Debian: wrk). A ratio is the median of those of each turn.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { socket, type StreamSocket } from "../../lib/mod.ts";
import { openPages } from "../../lib/services/http_pages.ts";
import { HttpConnection } from "../../lib/services/http_server.ts";
import {
  commandFor,
  pythonCommand,
  run,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";

const PAGE = "x".repeat(184);

/** The lab's server; a client may be silent for 30 s, as in an experiment. */
async function serveLab(): Promise<void> {
  const pages = await openPages();
  const listener = socket();
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen();
  console.log(`port ${listener.getsockname()[1]}`);
  for await (const [client] of listener) {
    client.settimeout(30_000);
    const serve = async (client: StreamSocket) => {
      const http = new HttpConnection(client);
      for await (const request of http) {
        await http.answer(await pages.answer(request));
      }
    };
    serve(client).catch(() => {}).finally(() => client.close());
  }
}

function serveNode(): void {
  const fields = {
    "Content-Type": "text/html; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Content-Length": PAGE.length,
  };
  const server = createServer((_, answer) => {
    answer.writeHead(200, fields).end(PAGE);
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(`port ${(server.address() as AddressInfo).port}`);
  });
}

async function measure(rounds: number): Promise<void> {
  const folder = mkdtempSync(`${tmpdir()}/http-`);
  writeFileSync(`${folder}/index.html`, PAGE);
  const own = fileURLToPath(import.meta.url);
  for (const runtime of RUNTIMES) {
    const program = commandFor(runtime, ["-A"]);
    const python = pythonCommand(`${ROOT}tests/peers/http_python.py`);
    const servers = [
      [...program, own, "lab"],
      [...program, own, "node"],
      [...python, "serve", "HTTP/1.1"],
    ].map((command) => start(command, { cwd: folder, limit: 600_000 }));
    const rates: number[][] = [];
    for (let round = 0; round <= rounds; round++) {
      const turn: number[] = [];
      for (const server of servers) {
        const [, port] = await server.said(/port (\d+)/);
        const wrk = ["wrk", "-t1", "-c8", "-d1s", `http://127.0.0.1:${port}/`];
        const { stdout } = await run(wrk);
        turn.push(Number(stdout.match(/Requests\/sec: +([\d.]+)/)?.[1]));
      }
      if (round > 0) rates.push(turn); // the first one is the warm-up
    }
    for (const server of servers) server.kill();
    await Promise.all(servers.map(({ finished }) => finished));
    const median = (values: number[]) =>
      values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
    const [lab, node, other] = [0, 1, 2].map((i) =>
      Math.round(median(rates.map((turn) => turn[i])))
    );
    const toNode = median(rates.map(([lab, node]) => lab / node)).toFixed(2);
    const toPython = median(rates.map(([lab, , other]) => lab / other));
    console.log(
      `${runtime}: ${lab}/s; node:http ${node}/s, ${toNode} of it; ` +
        `http.server ${other}/s, ${Math.round(toPython)} times`,
    );
  }
  rmSync(folder, { recursive: true });
}

const [what] = process.argv.slice(2);
if (what === "lab") await serveLab();
else if (what === "node") serveNode();
else await measure(Number(what ?? 5));
