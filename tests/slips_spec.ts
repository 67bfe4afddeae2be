/**
 * Slips of somebody who edits an experiment: each ends in one line that says what
 * is wrong, where, and what to do, on every runtime.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { headerOf, lineIn } from "../lib/slips/source.ts";
import { nameSlip } from "../lib/slips/slips.ts";
import { SocketError } from "../lib/mod.ts";
import { readHeader } from "../scripts/tools/support/header.ts";
import { commandFor, run, RUNTIMES, start } from "./support/runtimes.ts";
import { ROOT, SCRIPTS } from "./support/scripts.ts";
import { idlyOn, testOn } from "./support/test_on.ts";

const folder = mkdtempSync(`${tmpdir()}/slips-`);
afterAll(() => rmSync(folder, { recursive: true }));
symlinkSync(`${ROOT}lib`, `${folder}/lib`);
mkdirSync(`${folder}/scripts`);

const source = (script: string) =>
  readFileSync(`${ROOT}scripts/${script}.ts`, "utf8");

type Edit = [before: string, after: string];

/** Writes a copy of an experiment with edits, and gives its path. */
function edited(script: string, name: string, edits: Edit[]): string {
  let text = source(script);
  for (const [before, after] of edits) {
    expect(text.split(before)).toHaveLength(2);
    text = text.replace(before, () => after);
  }
  const file = `scripts/${name.replaceAll(/\W+/g, "_")}.ts`;
  writeFileSync(`${folder}/${file}`, text);
  return file;
}

const LOOP = "for await (const [client, peer] of listener) {";
const AWAIT = "write await before the call that gives it";
const NO_LIST = "Cannot take apart what is no list: write await before the " +
  'call, "await listener.accept()", or "for await"';
const UNREADY = "The server waits in accept(), and nobody knows that it is " +
  'ready: write "ready(listener)" before it';

/** The slip, the line at which it is seen, and what is said; the code is 1. */
const SLIPS: [
  name: string,
  script: string,
  edits: Edit[],
  at: string,
  message: string,
  args?: string[],
][] = [
  ["no ready()", "tcp_time", [["  ready(listener);\n", ""]], LOOP, UNREADY],
  [
    "no ready(), the server alone",
    "tcp_time",
    [["  ready(listener);\n", ""]],
    LOOP,
    UNREADY,
    ["server", "--port", "0"],
  ],
  [
    "no ready() for datagrams",
    "udp_echo",
    [["  ready(receiver);\n", ""]],
    "for await (",
    UNREADY.replace("accept", "recvfrom").replace("listener", "receiver"),
  ],
  [
    "no listen()",
    "tcp_time",
    [["  await listener.listen();\n", ""]],
    LOOP,
    'Cannot accept on 127.0.0.1:PORT: write "await listener.listen()" before it',
  ],
  [
    "no await before connect()",
    "tcp_time",
    [["await connection.connect(", "connection.connect("]],
    "await connection.recv(",
    'Cannot receive: write "await connection.connect(address)" before it, or ' +
    "use the socket that accept() gives",
  ],
  [
    "no await before recv(), decoded",
    "tcp_time",
    [["decode(await connection.recv(1024))", "decode(connection.recv(1024))"]],
    "decode(connection.recv(1024))",
    `Cannot decode a promise: ${AWAIT}`,
  ],
  [
    "no await before recv(), decoded by the server",
    "tcp_time",
    [["decode(await client.recv(1024))", "decode(client.recv(1024))"]],
    "decode(client.recv(1024))",
    `Cannot decode a promise: ${AWAIT}`,
  ],
  [
    "no await before recv(), printed",
    "tcp_address_lookup",
    [[
      "  const known = (flags.reverse ? IP : HARDWARE).test(answer);\n" +
      '  const usable = known || answer === "Not Found";\n' +
      '  if (!usable) throw new SocketError("EPROTO", "recv", address);\n',
      "",
    ], ["decode(await connection.recv(1024))", "connection.recv(1024)"]],
    "print(answer);",
    `Cannot print a promise: ${AWAIT}`,
  ],
  [
    "no await before recv(), sent",
    "unix_echo",
    [["await client.recv(1024);", "client.recv(1024) as never;"]],
    "await client.sendall(bytes);",
    `Cannot sendall a promise: ${AWAIT}`,
  ],
  [
    "no await before accept()",
    "tcp_hello",
    [[LOOP, "while (true) {\n    const [client, peer] = listener.accept();"]],
    "listener.accept();",
    NO_LIST,
  ],
  [
    "no await in the loop",
    "tcp_hello",
    [[LOOP, LOOP.replace("for await", "for")]],
    "for (const",
    NO_LIST,
  ],
  [
    "a call after close()",
    "tcp_hello",
    [["  print(greeting);\n", "  await connection.close();\n"], [
      "  // 3. Close the connection.\n  await connection.close();\n",
      "  await connection.recv(1);\n",
    ]],
    "await connection.recv(1);",
    "Cannot receive: the program has closed this socket before (is an await " +
    "missing?)",
  ],
];

for (const runtime of RUNTIMES) {
  const command = (file: string, ...args: string[]) => [
    ...commandFor(runtime, ["--allow-net"]),
    file,
    ...args,
  ];

  describe(runtime, () => {
    for (const [name, script, edits, at, message, args = []] of SLIPS) {
      const hangs = name.startsWith("no ready()");
      (hangs ? idlyOn : testOn)(
        runtime,
        `${name} is named in one line on ${runtime}`,
        async () => {
          const file = edited(script, `${runtime} ${name}`, edits);
          const { code, stderr } = await run(command(file, ...args), {
            cwd: folder,
          });
          const lines = readFileSync(`${folder}/${file}`, "utf8").split("\n");
          const line = lines.findIndex((text) => text.includes(at)) + 1;
          const said = stderr.replace(/(?<=127.0.0.1):\d+/g, ":PORT");
          expect(said).toBe(`${file}:${line}: ${message}\n`);
          expect(code).toBe(1);
        },
      );
    }

    testOn(runtime, `no close() is named on ${runtime}`, async () => {
      const close: Edit = ["  await connection.close();\n", ""];
      const file = edited("tcp_time", `${runtime} close`, [close]);
      const { code, stdout, stderr } = await run(command(file), {
        cwd: folder,
      });
      expect(stderr).toMatch(
        /^scripts\/\w+\.ts:\d+: The client has not closed its socket: write "await connection\.close\(\)" at its end\n$/,
      );
      expect(stdout).toContain("server: Acknowledgment from client: Time");
      expect(code).toBe(0);
    });

    idlyOn(
      runtime,
      `a server that never sends, and one that reads to the end of a client that forgot close(), on ${runtime}`,
      async () => {
        const silent: Edit = ["await client.sendall(dateAndTime());\n", "\n"];
        const file = edited("tcp_time", `${runtime} silent`, [silent]);
        const hung = start(command(file), { cwd: folder });
        const [note] = await hung.said(
          /.*waits in recv\(\) for the server.*\n/,
        );
        hung.kill("SIGKILL");
        expect(note).toMatch(
          /^scripts\/\w+\.ts:\d+: The client waits in recv\(\) for the server, 127\.0\.0\.1:\d+, and the server in recv\(\) for the client \(scripts\/\w+\.ts:\d+\): one of them must send first\n$/,
        );
        const [client, server] = [...note.matchAll(/\.ts:(\d+)/g)];
        const lines = readFileSync(`${folder}/${file}`, "utf8").split("\n");
        expect(lines[Number(client[1]) - 1]).toContain("connection.recv(");
        expect(lines[Number(server[1]) - 1]).toContain("client.recv(");

        const forgotten: Edit = ["  await connection.close();\n", ""];
        const shut: Edit = ["  await connection.shutdown(SHUT_WR);\n", ""];
        const never: Edit = [
          "const echo = decode(await new Reader(connection).all());",
          'const echo = "Hello through a socket";',
        ];
        const edits = [forgotten, shut, never];
        const reading = edited("unix_echo", `${runtime} reading`, edits);
        const ended = await run(command(reading), { cwd: folder });
        expect(ended.stderr).toContain("The client has not closed its socket");
        expect(ended.code).toBe(0);
      },
    );

    idlyOn(
      runtime,
      `neither a server nor a client that waits is blamed on ${runtime}`,
      async () => {
        const script = `${ROOT}scripts/tcp_time.ts`;
        const server = start(command(script, "server", "--port", "0"));
        const [, port] = await server.said(/Listening on 127\.0\.0\.1:(\d+)/);
        const silent = net.createServer().listen(0, "127.0.0.1");
        await new Promise((resolve) => silent.once("listening", resolve));
        const { port: other } = silent.address() as net.AddressInfo;
        const client = start(command(script, "client", "--port", `${other}`));
        // Longer than a note takes.
        await new Promise((resolve) => setTimeout(resolve, 10_000));
        const idle = net.connect(Number(port), "127.0.0.1");
        await new Promise((resolve) => idle.once("data", resolve));
        idle.destroy();
        server.kill("SIGINT");
        client.kill("SIGKILL");
        silent.close();
        const { stderr } = await server.finished;
        expect(stderr.split("\n")).toHaveLength(2); // Listening on
        expect((await client.finished).stderr).toBe("");
      },
    );

    testOn(
      runtime,
      `clients refuse another experiment's server on ${runtime}`,
      async () => {
        const pairs: [client: string, server: string][] = [
          ["tcp_address_lookup", "tcp_time"],
          ["tcp_address_lookup", "tcp_hello"],
          ["tcp_time", "tcp_hello"],
          ["tcp_client_details", "tcp_thank_you"],
          ["tcp_stream", "tcp_hello"],
          ["tcp_echo", "tcp_hello"],
          ["tcp_nodelay", "tcp_thank_you"],
          ["tcp_concurrent", "tcp_thank_you"],
          ["tcp_backlog", "tcp_thank_you"],
          ["names", "tcp_hello"],
        ];
        for (const [client, server] of pairs) {
          const path = (name: string) => `${ROOT}scripts/${name}.ts`;
          const serving = start(command(path(server), "server", "--port", "0"));
          const [, port] = await serving.said(/Listening on 127.0.0.1:(\d+)/);
          const { code, stderr } = await run(
            [
              ...commandFor(runtime, ["--allow-net", "--allow-sys=hostname"]),
              ...[path(client), "client", "--port", port],
            ],
          );
          serving.kill("SIGKILL");
          await serving.finished;
          expect([client, server, code]).toEqual([client, server, 1]);
          // A server that closes before it has read all resets the connection.
          expect(stderr).toMatch(
            client === "tcp_address_lookup"
              ? /^Cannot receive from .*: no answer that this program can use: is it the right server\?\n$/
              : /^Cannot [a-z ]+ 127\.0\.0\.1:\d+: .*\n(The other end .*\n)?$/,
          );
        }
      },
    );
  });
}

test("headerOf() gives the fact and the output of every experiment", () => {
  for (const name of SCRIPTS.map((name) => name.replace(".ts", ""))) {
    for (const text of [source(name), source(name).replaceAll("\n", "\r\n")]) {
      const { fact, output } = headerOf(text);
      const header = readHeader(source(name));
      expect(fact.replaceAll("\n", " ")).toBe(header.fact);
      expect(output.split("\n").map((line) => line.slice(4)))
        .toEqual(header.output);
    }
  }
  expect(headerOf("import x;")).toEqual({ fact: "", output: "" });
});

test("lineIn() finds the only line of a function that makes a call", () => {
  const text = source("tcp_time");
  const at = (part: string) =>
    text.split("\n").findIndex((line) => line.includes(part)) + 1;
  expect(lineIn(text, "server", "accept")).toBe(at("for await"));
  expect(lineIn(text, "client", "recv")).toBe(at("connection.recv("));
  expect(lineIn(source("tcp_address_lookup"), "client", "recv"))
    .toBeUndefined(); // two
  expect(lineIn(text, "client", "accept")).toBeUndefined();
  expect(lineIn("", "client", "recv")).toBeUndefined();
});

test("nameSlip() names mistakes of the script, and nobody else's", () => {
  const url = "file:///lab/scripts/a.ts";
  const error = (stack: string, kind = TypeError) =>
    Object.assign(new kind("x is\x1b undefined"), { stack });
  const frame = (file: string) => `    at f (file:///lab/${file}:7:9)`;
  expect(nameSlip(error(frame("scripts/a.ts")), url)).toBe(
    "scripts/a.ts:7: TypeError: x is\\x1b undefined (is an await missing?)",
  );
  expect(nameSlip(error(frame("scripts/a.ts"), RangeError), url)).toBe(
    "scripts/a.ts:7: RangeError: x is\\x1b undefined",
  );
  const deep = `${frame("lib/sockets/reader.ts")}\n${frame("scripts/a.ts")}`;
  expect(nameSlip(error(deep), url)).toBeUndefined();
  expect(nameSlip("text", url)).toBeUndefined();
  const reset = new SocketError("ECONNRESET", "recv", ["127.0.0.1", 1]);
  expect(nameSlip(reset, url)).toBeUndefined();
});
