/**
 * Explains a socket call that failed: the error, and what the user can do about
 * it. Loaded only then.
 *
 * @module
 */
import { SocketError } from "../sockets/socket_error.ts";
import { command } from "./process.ts";
import type { Experiment, Settings } from "./settings.ts";

/** Prints both on standard error; rethrows anything but a SocketError. */
export function printFailure(
  error: unknown,
  script: Pick<Experiment, "url" | "port">,
  settings: Pick<Settings, "flags" | "timeout">,
): void {
  if (!(error instanceof SocketError)) throw error;
  console.error(error.message);
  const advice = adviceFor(error, script, settings);
  if (advice) console.error(advice);
}

function adviceFor(
  { code, call, address, cause }: SocketError,
  script: Pick<Experiment, "url" | "port">,
  { timeout, flags }: Pick<Settings, "flags" | "timeout">,
): string | undefined {
  const path = typeof address === "string";
  const { name, message = "" } = (cause ?? {}) as Partial<Error>;
  if (name === "NotCapable") { // a permission of Deno
    const [flag = "--allow-net"] = message.match(/--allow-\w+/) ?? [];
    return `Add ${flag} before the name of the script`;
  }
  if (code === "ECONNREFUSED" || (code === "ENOENT" && call !== "append to")) {
    const [file] = script.url.match(/(scripts\/)?[^/]+$/)!;
    const port = path ? script.port : address?.[1];
    let options = port === script.port ? "" : ` --port ${port}`;
    for (const [name, value] of Object.entries(flags)) {
      if (path && value !== undefined) options += ` --${name} ${value}`;
    }
    return `Start the server first: ${command} ${file} server${options}`;
  }
  if (code === "ETIMEDOUT" && call !== "connect" && timeout !== undefined) {
    return `Nothing came in ${timeout} ms: is it the right server? (--timeout)`;
  }
  return ADVICE[path ? `${code} path` : code] ?? ADVICE[code];
}

/** By the code of the error, for a path by that and `path`. */
const ADVICE: Record<string, string> = {
  EADDRINUSE:
    "Another server has this port: stop it, or choose another with --port",
  "EADDRINUSE path": "", // the experiment's own message says more
  EADDRNOTAVAIL:
    "A server listens on an address of its own machine: see --host",
  EACCES: "Ports below 1024 are for root: choose another with --port",
  "EACCES path":
    "Check that its folder exists, and that this user may write there",
  ENOENT: "Check that its folder exists",
  EAFNOSUPPORT:
    "This experiment uses IPv4: give --host an IPv4 address or a name",
  ENOTFOUND: "Check the name after --host",
  ENETUNREACH: "Check the address after --host, and this machine's network",
  EHOSTUNREACH: "Check the address after --host, and this machine's network",
  ETIMEDOUT:
    "Nothing answered: check --host and --port, and that a server runs",
  ECONNRESET: "The other end reset the connection: run it again",
  EPIPE: "The other end reset the connection: run it again",
};
