/**
 * What an experiment says when a socket call failed: what went wrong, and what
 * to do about it. Loaded only then.
 *
 * @module
 */
import { command } from "./process.ts";
import type { Experiment, Settings } from "./settings.ts";
import { SocketError } from "../sockets/socket_error.ts";

/** Prints it on standard error; rethrows anything but a SocketError. */
export function printFailure(
  error: unknown,
  experiment: Pick<Experiment, "url" | "port">,
  settings: Pick<Settings, "timeout" | "flags">,
): void {
  if (!(error instanceof SocketError)) throw error;
  console.error(error.message);
  const advice = adviceFor(error, experiment, settings);
  if (advice) console.error(advice);
}

function adviceFor(
  { code, call, address, cause }: SocketError,
  experiment: Pick<Experiment, "url" | "port">,
  { timeout, flags }: Pick<Settings, "timeout" | "flags">,
): string | undefined {
  const [file] = experiment.url.match(/(scripts\/)?[^/]+$/)!;
  const path = typeof address === "string";
  const [, port] = path ? [] : address ?? [];
  const denied = (cause as Error | undefined)?.name === "NotCapable";
  switch (code) {
    case "ENOENT":
      if (call === "append to") return "Is its folder there?";
      // falls through: no server has made the path
    case "ECONNREFUSED": {
      let options = "";
      if (!path && port !== experiment.port) options = ` --port ${port}`;
      for (const [name, value] of Object.entries(flags)) {
        if (path && value !== undefined) options += ` --${name} ${value}`;
      }
      return `Start the server first: ${command} ${file} server${options}`;
    }
    case "EADDRINUSE":
      if (path) return; // the experiment knows more
      return "Another server has this port: stop it, or choose another with --port";
    case "EADDRNOTAVAIL":
      return "A server listens on an address of its own machine: see --host";
    case "EACCES":
      if (denied) {
        const [flag] = (cause as Error).message.match(/--allow-\w+/) ?? [];
        return `Add ${flag ?? "--allow-net"} before the name of the script`;
      }
      if (path) return "May this user write there, and is the folder there?";
      return "Ports below 1024 are for root: choose another with --port";
    case "EAFNOSUPPORT":
      return "This experiment speaks IPv4: give --host an IPv4 address or a name";
    case "ENOTFOUND":
      return "Check the name after --host";
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return "Check the address after --host, and this machine's network";
    case "ETIMEDOUT":
      return timeout === undefined || call === "connect"
        ? "Nothing answered: check --host and --port, and that a server runs"
        : `Nothing came in ${timeout} ms: is it the right server? (--timeout)`;
    case "ECONNRESET":
    case "EPIPE":
      return "The other end broke the connection off: run it again";
  }
}
