/**
 * Where the mail programs are that others have written, and why one is not.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { python } from "../support/runtimes.ts";

/** Why a program cannot be used, if so. */
export function missing(program: string, debian = program): string | undefined {
  const { error } = spawnSync(program, ["--version"], { env: PATHS });
  return error && `${program} is not installed (Debian: ${debian})`;
}

/** Debian's postfix has its programs where only root looks. */
const PATHS = {
  ...process.env,
  PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin`,
};

/** Two programs of postfix, which need no installation. */
export const [SOURCE, SINK] = ["smtp-source", "smtp-sink"].map((name) =>
  ["/usr/local/sbin", "/usr/sbin"].map((folder) => `${folder}/${name}`)
    .find((path) => !spawnSync(path).error) ?? name
);

/** A Python that has aiosmtpd: Debian's own, where another one is used. */
const withAiosmtpd = [python().path, "/usr/bin/python3"].find((path) =>
  path && spawnSync(path, ["-c", "import aiosmtpd"]).status === 0
);
export const noAiosmtpd = withAiosmtpd
  ? undefined
  : "aiosmtpd is not installed (Debian: python3-aiosmtpd)";

/** The command of aiosmtpd as a server, which prints its port. */
export const aiosmtpd = (...args: string[]) => [
  ...[withAiosmtpd!, "tests/peers/smtp.py", "serve"],
  ...args,
];
