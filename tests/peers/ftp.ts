/**
 * Programs that others have written for FTP: where they are, why one is not, and
 * the folders that they send and receive.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { numbers } from "../support/fuzz.ts";
import { python, start } from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";

/** Why a program cannot be used, if so. */
export function missing(program: string, debian = program): string | undefined {
  const { error } = spawnSync(program, ["--version"], { timeout: 5000 });
  if ((error as { code?: string })?.code !== "ENOENT") return;
  return `${program} is not installed (Debian: ${debian})`;
}

/** A folder that every user may read, which is removed at the end. */
export function folder() {
  const path = realpathSync(mkdtempSync(`${tmpdir()}/ftp-`));
  chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Makes a tree of small files, some with names that need care. */
export function plantTree(path: string, count: number): void {
  const next = numbers(21);
  for (let i = 0; i < count; i++) {
    const where = `${path}/d${i % 10}/e e${i % 7}`;
    mkdirSync(where, { recursive: true });
    const bytes = Uint8Array.from({ length: next(3000) }, () => next(256));
    const name = `${i}${["", " b", "\u00f6", "'", "[1]", " 5%"][i % 6]}`;
    writeFileSync(`${where}/${name}`, bytes);
  }
}

/** A Python that has pyftpdlib: Debian's own, where another one is used. */
const withLibrary = [python().path, "/usr/bin/python3"].find((path) =>
  path &&
  spawnSync(path, ["-W", "ignore", "-c", "import pyftpdlib"]).status === 0
);
export const noPyftpdlib = withLibrary
  ? undefined
  : "pyftpdlib is not installed (Debian: python3-pyftpdlib)";

/** pyftpdlib as a server of a folder, and its port. */
export async function pyftpdlib(root: string) {
  const server = start(
    [withLibrary!, "-W", "ignore", "tests/peers/ftp.py", "serve", root],
    { cwd: ROOT, limit: 600_000 },
  );
  const [, port] = await server.said(/^port (\d+)/m);
  return { server, port };
}

/** Where a package has been installed or unpacked. */
const VSFTPD = ["/usr/local/sbin/vsftpd", "/usr/sbin/vsftpd"]
  .find((path) => !missing(path));
export const noVsftpd = !VSFTPD
  ? "vsftpd is not installed (Debian: vsftpd)"
  : process.getuid?.() === 0
  ? undefined
  : "vsftpd needs root";

/** vsftpd as a server of a folder for anonymous clients, and its port. */
export async function vsftpd(root: string, own: string) {
  const port = await freePort();
  mkdirSync(`${own}/empty`);
  writeFileSync(
    `${own}/vsftpd.conf`,
    `listen=YES
background=NO
listen_address=127.0.0.1
listen_port=${port}
anonymous_enable=YES
local_enable=NO
anon_root=${root}
secure_chroot_dir=${own}/empty
nopriv_user=nobody
ftp_username=daemon
seccomp_sandbox=NO
`,
  );
  const server = start([VSFTPD!, `${own}/vsftpd.conf`]);
  const listens = () =>
    new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.on("connect", () => (socket.destroy(), resolve(true)))
        .on("error", () => resolve(false));
    });
  while (!await listens()) await new Promise((next) => setTimeout(next, 20));
  return { server, port: String(port) };
}
