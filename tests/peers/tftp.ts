/**
 * Other TFTP clients and servers, where they are installed.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { AF_INET, SOCK_DGRAM, socket } from "../../lib/mod.ts";
import { random } from "../../lib/services/random.ts";
import { start } from "../support/runtimes.ts";
import { openPeer, read } from "../support/tftp.ts";

/** Files with the sizes at which a block more is needed, and others. */
export const SIZES = [0, 1, 511, 512, 513, 4095, 4096, 4097, 20_000];

/** A folder that others may write, with files in it. */
export function folderOf(sizes: number[]) {
  const path = mkdtempSync(`${tmpdir()}/tftp-`);
  chmodSync(path, 0o777);
  for (const [i, size] of sizes.entries()) {
    const byte = (_: unknown, at: number) => 256 * random(i, at);
    writeFileSync(`${path}/${i}.bin`, Uint8Array.from({ length: size }, byte));
    chmodSync(`${path}/${i}.bin`, 0o666);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** How a client reads a file from, or writes one to, 127.0.0.1. */
interface Client {
  readonly package: string;
  get(port: string, name: string, path: string): string[];
  put(port: string, name: string, path: string): string[];
}

const atftp = (port: string, ...words: string[]) => [
  ...["atftp", "--option", "windowsize 8", ...words, "127.0.0.1", port],
];

export const CLIENTS: Record<string, Client> = {
  tftp: {
    package: "tftp-hpa",
    get: (port, name, path) =>
      `tftp -m binary 127.0.0.1 ${port} -c get ${name} ${path}`.split(" "),
    put: (port, name, path) =>
      `tftp -m binary 127.0.0.1 ${port} -c put ${path} ${name}`.split(" "),
  },
  curl: {
    package: "curl",
    get: (port, name, path) =>
      `curl -sS tftp://127.0.0.1:${port}/${name} -o ${path}`.split(" "),
    put: (port, name, path) =>
      `curl -sS -T ${path} tftp://127.0.0.1:${port}/${name}`.split(" "),
  },
  atftp: {
    package: "atftp",
    get: (port, name, path) => atftp(port, "-g", "-r", name, "-l", path),
    put: (port, name, path) => atftp(port, "-p", "-r", name, "-l", path),
  },
};

interface Server {
  readonly package: string;
  /** The command that serves a folder. */
  serve(port: string, folder: string): string[];
  /** The largest window that it grants. */
  readonly window: number;
}

export const SERVERS: Record<string, Server> = {
  "in.tftpd": {
    package: "tftpd-hpa",
    serve: (port, folder) => [
      ...["in.tftpd", "-L", "--address", `127.0.0.1:${port}`, "--create"],
      ...["--permissive", "--user", "root", "--secure", folder],
    ],
    window: 1,
  },
  atftpd: {
    package: "atftpd",
    serve: (port, folder) => [
      ...["atftpd", "--daemon", "--no-fork", "--port", port, "--logfile", "-"],
      ...["--bind-address", "127.0.0.1", "--user", "root", "--group", "root"],
      folder,
    ],
    window: 8,
  },
};

/** dnsmasq has the port 69 and no other. */
export function dnsmasq(folder: string): string[] {
  return [
    ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"],
    ...["--enable-tftp", `--tftp-root=${folder}`, "--user=root", "--pid-file="],
    ...["--interface=lo", "--bind-interfaces", "--log-facility=-"],
  ];
}

/** Why a program cannot be used, if so. */
export function lacking(program: string, packaged: string): string | undefined {
  const { error } = spawnSync(program, ["--version"], { timeout: 5000 });
  if ((error as { code?: string })?.code !== "ENOENT") return;
  return `${program} is not installed (Debian: ${packaged})`;
}

export const noRoot = process.getuid?.() === 0 ? undefined : "needs root";

/** A server that has a folder, from when it answers on. */
export async function serveFolder({ serve }: Server, folder: string) {
  const port = await freeUdpPort();
  const server = start(serve(port, folder), { limit: 300_000 });
  await using peer = await openPeer();
  const asking = setInterval(
    () => peer.send(read("nothing"), ["127.0.0.1", Number(port)]),
    50,
  );
  await peer.next().finally(() => clearInterval(asking));
  const stop = async () => {
    server.kill();
    await server.finished;
  };
  return { port, [Symbol.asyncDispose]: stop };
}

async function freeUdpPort(): Promise<string> {
  await using probe = socket(AF_INET, SOCK_DGRAM);
  await probe.bind(["127.0.0.1", 0]);
  return String(probe.getsockname()[1]);
}
