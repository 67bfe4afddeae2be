/**
 * Formats the output of experiments: escaped lines that are tagged with their
 * end, failures, and the date and time.
 *
 * @module
 */
import { escapeControls } from "../sockets/escape.ts";
import { notAwaited } from "../sockets/outbox.ts";
import { SocketError } from "../sockets/socket_error.ts";
import type { Experiment, Settings } from "./settings.ts";

type Name = "server" | "client";

/** Prints a line of an end's output, or with `note` a message to the user. */
export type Write = (end: Name, line: string, note?: "note") => void;

/** Words as one line of at most 1000 characters that cannot drive a terminal. */
export function joinWords(words: unknown[]): string {
  if (words.some((word) => word instanceof Promise)) throw notAwaited("print");
  return escapeControls(words.join(" ").replace(/^(.{1000}).+/s, "$1..."));
}

/** Tags the lines of both ends; one end alone prints as the seeds do. */
export function writer(
  { role = "both", json }: Partial<Settings>,
  print: (line: string) => void = console.log,
): Write {
  return (end, line, note) => {
    const tagged = role === "both" ? `${end}: ${line}` : line;
    if (note) console.error(tagged);
    else print(json ? JSON.stringify({ end, line }) : tagged);
  };
}

/** The slip of the script's author from which an error comes, if it is one. */
export async function slipIn(error: unknown, url: string) {
  if (error instanceof SocketError && !OWN.includes(error.code)) return;
  const slips = await import("../slips/slips.ts").catch(() => undefined);
  return slips?.nameSlip(error, url);
}

/** The errors for which only the program can be blamed. */
const OWN = ["EBADF", "EDESTADDRREQ", "EINVAL", "ENOTCONN"];

/** Prints what failed and what to do; rethrows what is no SocketError or slip. */
export async function printFailure(
  error: unknown,
  script: Pick<Experiment, "url" | "port">,
  settings: Pick<Settings, "flags" | "timeout">,
): Promise<void> {
  const slip = await slipIn(error, script.url);
  if (slip) return console.error(slip);
  if (!(error instanceof SocketError)) throw error;
  console.error(error.message);
  // When no descriptor is left, nothing can be loaded.
  const failure = await import("./failure.ts").catch(() => undefined);
  const advice = failure && error.code !== "EMFILE"
    ? await failure.adviceFor(error, script, settings)
    : "Allow more open files: ulimit -n 4096";
  if (advice) console.error(escapeControls(advice));
}

/** The local date and time, `dd/mm/yyyy HH:MM:SS`. */
export function dateAndTime(date = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(date.getDate())}/${two(date.getMonth() + 1)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${day}/${date.getFullYear()} ${time.map(two).join(":")}`;
}
