/**
 * HTTP with programs that others have written: clients of the lab's servers,
 * servers for its client, and proxies between the two.
 */
import { expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { within } from "../../scripts/tools/support/processes.ts";
import * as proxies from "../peers/http_proxies.ts";
import { clientOn, serverOn } from "../support/ends.ts";
import { fuzzHttp, toBytes } from "../support/fuzz_http.ts";
import { WIRE_CASES } from "../support/http_cases.ts";
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

test("100,000 random streams harm no parser", () => fuzzHttp(100_000), 300_000);

const { missing } = proxies;
const chromium = ["chromium", "chromium-browser", "google-chrome"]
  .find((name) => !missing(name));
const noChromium = chromium ? undefined : missing("chromium");

/** Runs a command, which must end with a code. */
async function succeed(command: string[], code = 0): Promise<string> {
  const ended = await run(command, { cwd: ROOT });
  expect([command[0], ended.code, ended.code === code ? "" : ended.stderr])
    .toEqual([command[0], code, ""]);
  return ended.stdout;
}

/** A folder for a test, which is removed at its end. */
function temporary() {
  const path = mkdtempSync(`${tmpdir()}/http-`);
  return {
    path,
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** What all clients find at the endings: half of it is missing, or nobody knows. */
const JUDGED = `length 60
length?cut incomplete
chunks 60
chunks?cut incomplete
end 60
end?cut 30
`;

for (const runtime of RUNTIMES) {
  const without = find(runtime).reason;
  const pages = (flags: string[] = [], permissions?: string[]) =>
    serverOn("http_pages", runtime, flags, permissions);

  needing(without ?? missing("curl"), `${runtime}: curl`, async () => {
    using folder = temporary();
    const [from, to] = ["from", "to"].map((name) => `${folder.path}/${name}`);
    mkdirSync(from);
    mkdirSync(to);
    for (let i = 0; i < 100; i++) {
      writeFileSync(`${from}/f${i}.txt`, `file ${i}\n`.repeat(i * i));
    }
    const { port, stop } = await pages(
      ["--root", from],
      ["--allow-net", "--allow-read"],
    );
    const url = `http://127.0.0.1:${port}`;
    const curl = (...args: string[]) => succeed(["curl", "-sS", ...args]);
    const connects = await curl(
      ...["-w", "%{num_connects} %{http_code}\n"],
      ...["-o", `${to}/f#1.txt`, `${url}/f[0-99].txt`],
    );
    expect(connects).toBe("1 200\n" + "0 200\n".repeat(99));
    expect(await succeed(["diff", "-r", from, to])).toBe("");

    const status = ["-o", "/dev/null", "-w", "%{http_code}"];
    const big = `${folder.path}/big`;
    writeFileSync(big, "x".repeat(2 ** 20));
    expect(await curl("-T", big, `${url}/big`)).toBe("");
    expect(await curl(`${url}/big`)).toBe("x".repeat(2 ** 20));
    writeFileSync(big, "x".repeat(2 ** 20 + 1));
    expect(await curl(...status, "-T", big, `${url}/big`)).toBe("413");
    const chunked = [
      "-H",
      "Transfer-Encoding: chunked",
      "-T",
      `${from}/f9.txt`,
    ];
    expect(await curl(...status, ...chunked, `${url}/chunked`)).toBe("201");
    expect(await curl(`${url}/chunked`)).toBe("file 9\n".repeat(81));
    expect(await curl("-I", `${url}/chunked`)).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[^]*Content-Security-Policy: sandbox/,
    );
    expect(await curl(...status, "--path-as-is", `${url}/../passwd`)).toBe(
      "400",
    );
    expect(await curl(...status, "-0", `${url}/f1.txt`)).toBe("200");
    await stop();
  });

  needing(without ?? missing("curl"), `${runtime}: curl judges`, async () => {
    const { port, stop } = await serverOn("http_endings", runtime);
    const codes: Record<string, number | null> = {};
    for (const way of ["length", "chunks", "end"]) {
      for (const cut of ["", "?cut"]) {
        const url = `http://127.0.0.1:${port}/${way}${cut}`;
        codes[way + cut] = (await run(["curl", "-sS", url])).code;
      }
    }
    expect(codes).toEqual({
      ...{ "length": 0, "length?cut": 18 },
      ...{ "chunks": 0, "chunks?cut": 18 },
      ...{ "end": 0, "end?cut": 0 },
    });
    await stop();
  });

  needing(without ?? missing("wget"), `${runtime}: wget`, async () => {
    const { port, stop } = await pages();
    const url = `http://127.0.0.1:${port}`;
    const wget = ["wget", "-q", "-t", "1", "-O", "-"];
    expect(await succeed([...wget, url])).toContain("<h1>It works</h1>");
    await succeed([...wget, `${url}/nothing`], 8);
    await stop();
  });

  needing(without ?? missing("w3m"), `${runtime}: w3m`, async () => {
    const { port, stop } = await pages();
    const dump = await succeed(["w3m", "-dump", `http://127.0.0.1:${port}/`]);
    expect(dump).toContain("It works\n");
    await stop();
  });

  needing(
    without ?? missing("ab", "apache2-utils"),
    `${runtime}: ab`,
    async () => {
      const { port, stop } = await pages();
      const ab = ["ab", "-q", "-n", "2000", "-c", "20"];
      const url = `http://127.0.0.1:${port}/`;
      const kept = await succeed([...ab, "-k", url]);
      expect(kept).toMatch(/^Failed requests: +0$/m);
      expect(kept).toMatch(/^Keep-Alive requests: +2000$/m);
      const closed = await succeed([...ab, url]);
      expect(closed).toMatch(/^Complete requests: +2000$/m);
      expect(closed).toMatch(/^Failed requests: +0$/m);
      await stop();
    },
  );

  needing(without ?? missing("wrk"), `${runtime}: wrk`, async () => {
    const { port, stop } = await pages();
    const url = `http://127.0.0.1:${port}/`;
    const wrk = await succeed(["wrk", "-t1", "-c32", "-d1s", url]);
    expect(wrk).toMatch(/^ +\d+ requests in /m);
    expect(wrk).not.toMatch(/Socket errors|Non-2xx/);
    await stop();
  });

  needing(without ?? python().reason, `${runtime}: http.client`, async () => {
    const ask = [...pythonCommand("tests/peers/http_python.py"), "ask"];
    const { port, stop } = await pages();
    expect(await succeed([...ask, port])).toBe(
      "GET / 200 184\nHEAD / 200 0\nGET /nothing 404 28\n" +
        "PUT /python 201 0\nPUT /python 204 0\nGET /python 200 7\n" +
        "DELETE /python 405 41\n",
    );
    expect(await stop()).toMatch(/^Requests on this connection: 7$/m);
    const endings = await serverOn("http_endings", runtime);
    const judge = [...pythonCommand("tests/peers/http_python.py"), "endings"];
    expect(await succeed([...judge, endings.port])).toBe(
      JUDGED.replaceAll("incomplete", "incomplete 30"),
    );
    await endings.stop();
  });

  needing(without ?? noChromium, `${runtime}: Chromium`, async () => {
    using folder = temporary();
    const { port, stop } = await pages();
    const browse = (url: string, ...flags: string[]) =>
      succeed([
        ...[chromium!, "--headless", "--no-sandbox", "--disable-gpu"],
        ...["--no-first-run", "--disable-background-networking"],
        ...["--disable-component-update", "--disable-sync"],
        ...[`--user-data-dir=${folder.path}/profile`, ...flags],
        ...["--dump-dom", url],
      ]);
    const url = `http://127.0.0.1:${port}`;
    expect(await browse(url)).toContain("<h1>It works</h1>");
    const body = "<script>document.title = 'run'</script>";
    await fetch(`${url}/evil.html`, { method: "PUT", body });
    const shown = await browse(`${url}/evil.html`);
    expect(shown).toContain("&lt;script&gt;");
    await stop();

    const endings = await serverOn("http_endings", runtime);
    const faults: Record<string, boolean> = {};
    for (const way of ["length", "chunks", "end"]) {
      for (const cut of ["", "?cut"]) {
        const log = `${folder.path}/log`;
        const page = `http://127.0.0.1:${endings.port}/${way}${cut}`;
        // It waits for ever for the rest of a page that is cut off.
        await browse(page, `--log-net-log=${log}`, "--timeout=8000");
        // ERR_CONTENT_LENGTH_MISMATCH, ERR_INCOMPLETE_CHUNKED_ENCODING
        faults[way + cut] = /"net_error":-35[45]\b/.test(
          readFileSync(log, "utf8"),
        );
      }
    }
    expect(faults).toEqual({
      ...{ "length": false, "length?cut": true },
      ...{ "chunks": false, "chunks?cut": true },
      ...{ "end": false, "end?cut": false },
    });
    await endings.stop();
  }, 240_000);

  for (const other of RUNTIMES) {
    const reason = without ?? find(other).reason;
    needing(reason, `${runtime}: fetch() of ${other}`, async () => {
      const { port, stop } = await pages();
      const endings = await serverOn("http_endings", runtime);
      const client = commandFor(other, ["--allow-net"]);
      const script = [...client, "tests/peers/http_fetch.ts"];
      expect(await succeed([...script, port, endings.port])).toBe(
        "GET / 200 184\nGET /nothing 404 28\nPUT /fetched 201 0\n" +
          "GET /fetched 200 9\nin chunks\nHEAD /fetched 200 0\n" + JUDGED,
      );
      await stop();
      await endings.stop();
    });

    needing(reason, `${runtime}: the server of ${other}`, async () => {
      const served = commandFor(other, ["--allow-net"]);
      const server = start([...served, "tests/peers/http_serve.ts"], {
        cwd: ROOT,
      });
      const [, port] = await server.said(/port (\d+)/);
      expect(await clientOn("http_pages", runtime, port)).toBe(
        "HTTP/1.1 200 OK, 16 bytes\nHTTP/1.1 404 Not Found, 13 bytes\n" +
          "HTTP/1.1 201 Created, 0 bytes\nHTTP/1.1 200 OK, 22 bytes\n" +
          "It says: Hello, World Wide Web!\nConnections for 4 answers: 1\n",
      );
      server.kill();
      await server.finished;
    });
  }

  for (const version of ["HTTP/1.0", "HTTP/1.1"]) {
    const title = `${runtime}: http.server, ${version}`;
    needing(without ?? python().reason, title, async () => {
      using folder = temporary();
      writeFileSync(`${folder.path}/index.html`, "<p>It works</p>\n");
      const script = pythonCommand(`${ROOT}tests/peers/http_python.py`);
      const server = start([...script, "serve", version], { cwd: folder.path });
      const [, port] = await server.said(/port (\d+)/);
      const said = await clientOn("http_pages", runtime, port);
      expect(said.split("\n").map((line) => line.replace(/, \d+ bytes$/, "")))
        .toEqual([
          `${version} 200 OK`,
          `${version} 404 File not found`,
          `${version} 501 Unsupported method ('PUT')`,
          `${version} 404 File not found`,
          expect.stringMatching(/^It says: <!DOCTYPE HTML/),
          expect.stringMatching(/^Connections for 4 answers: [1-4]$/),
          "",
        ]);
      server.kill();
      await server.finished;
    });
  }

  const noNginx = without ?? missing(proxies.NGINX, "nginx-light");
  needing(noNginx, `${runtime}: nginx with files`, async () => {
    using folder = temporary();
    writeFileSync(`${folder.path}/index.html`, "<p>It works</p>\n");
    process.umask(0o022);
    await using server = await proxies.nginx({ folder: folder.path });
    expect(await clientOn("http_pages", runtime, server.port)).toMatch(
      /^HTTP\/1\.1 200 OK, 16 bytes\nHTTP\/1\.1 404 .*\nHTTP\/1\.1 405 .*\nHTTP\/1\.1 404 /,
    );
  });

  needing(noNginx, `${runtime}: behind nginx`, async () => {
    const { port, stop } = await pages();
    await using proxy = await proxies.nginx({ port });
    await sendOdd(proxy.port);
    expectSame(await proxy.forwarded(), await stop());
  });

  const noHaproxy = without ?? missing(proxies.HAPROXY, "haproxy");
  needing(noHaproxy, `${runtime}: behind haproxy`, async () => {
    const { port, stop } = await pages();
    await using proxy = await proxies.haproxy(port);
    await sendOdd(proxy.port);
    expectSame(await proxy.forwarded(), await stop());
  });
}

/** Requests that are odd, each with a second one behind it. */
const ODD = WIRE_CASES.filter(({ say }) => !/x{500}/.test(say))
  .flatMap(({ say }, i) => {
    const second = `GET /second-${i} HTTP/1.1\r\nHost: a\r\n` +
      "Connection: close\r\n\r\n";
    const marked = say.replace(/ \/(?=[ ?])/, ` /first-${i}`);
    return [marked + second, marked.replaceAll("\r\n", "\n") + second];
  });

/** Sends each on a connection of its own, to a proxy that may wait for more. */
async function sendOdd(port: number): Promise<void> {
  expect(ODD.length).toBeGreaterThan(200);
  const left = [...ODD];
  const work = async () => {
    for (let say; (say = left.shift());) {
      const socket = net.connect(port, "127.0.0.1");
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => {}).resume();
      socket.write(toBytes(say));
      await within(400, closed);
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  await Bun.sleep(6500); // the proxies give up what is incomplete, and log it
}

/**
 * The server has read only what was forwarded, each as often; all else it has
 * refused, or has not got whole.
 */
function expectSame(
  forwarded: { request: string; status: string }[],
  printed: string,
): void {
  const seen = [...printed.matchAll(/^(\w+ \S+) HTTP\/1\.[01](, .*)?$/gm)]
    .map(([, request]) => request);
  expect(seen.length).toBeGreaterThan(200);
  const wasRead = ({ status }: { status: string }) =>
    /^(2|403|404|405)/.test(status);
  // Of two alike, the one that was answered is the one that was read.
  const left = forwarded.toSorted((a, b) => +wasRead(b) - +wasRead(a));
  const unknown = seen.filter((request) => {
    const at = left.findIndex((each) => each.request === request);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  expect(unknown).toEqual([]);
  expect(left.filter(wasRead)).toEqual([]);
}
