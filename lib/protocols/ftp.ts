/**
 * The lines of FTP, RFC 959: commands, replies, paths and the addresses of data
 * connections as text and back. What is formatted is one line, so that no name
 * becomes another command or another reply.
 *
 * ```ts
 * import { formatCommand, formatReply, parseCommand } from "./ftp.ts";
 *
 * formatCommand("RETR", "notes.txt"); // "RETR notes.txt\r\n"
 * parseCommand("retr notes.txt"); // { verb: "RETR", argument: "notes.txt" }
 * formatReply(211, "Features", " UTF8", "End"); // "211-Features\r\n UTF8\r\n..."
 * ```
 *
 * @module
 */

/** Limits of a server, in bytes or numbers. */
export const FTP_LIMITS = {
  /** A line of a command without its end. */
  command: 1024,
  /** Commands that were wrong one after the other... */
  errors: 50,
  /** ... and passwords. */
  passwords: 3,
  /** Commands without being logged in. */
  strangers: 20,
  /** The lowest port of a client to which a server connects: RFC 2577. */
  port: 1024,
};

/** A command line. */
export interface Command {
  /** In capital letters. */
  readonly verb: string;
  /** What follows it; a path may begin and end with spaces. */
  readonly argument: string;
}

/** The command in a line without its end; undefined for what is none. */
export function parseCommand(line: string): Command | undefined {
  const [, verb, argument = ""] = line.match(COMMAND) ?? [];
  if (verb) return { verb: verb.toUpperCase(), argument };
}

/** A command line; TypeError for an argument that would be more than one line. */
export function formatCommand(verb: string, argument = ""): string {
  const line = argument === "" ? verb : `${verb} ${argument}`;
  if (parseCommand(line)?.argument === argument) return `${line}\r\n`;
  throw new TypeError(`Cannot write a command: ${line} is more than a line`);
}

/** A reply, RFC 959, section 4.2. */
export interface Reply {
  readonly code: number;
  /** That of its only line, or of its first. */
  readonly text: string;
}

/**
 * The reply that a line without its end begins, and whether it is whole. One that
 * is not goes on until `endsReply` says so. Undefined for a line that begins none.
 */
export function parseReplyLine(
  line: string,
): Reply & { whole: boolean } | undefined {
  const [, code, mark, text = ""] = line.match(REPLY) ?? [];
  if (code) return { code: Number(code), text, whole: mark !== "-" };
}

/** Whether a line ends a reply of several lines: others may begin with anything. */
export function endsReply(line: string, code: number): boolean {
  const reply = parseReplyLine(line);
  return reply?.code === code && reply.whole;
}

/**
 * A reply with a line for each text; those between the first and the last have no
 * code. A character that drives a terminal or ends a line becomes `?`.
 */
export function formatReply(code: number, ...texts: string[]): string {
  const last = texts.length - 1;
  return texts.map((text, i) => {
    const plain = text.replace(CONTROLS, "?");
    if (i === last) return `${code} ${plain}\r\n`;
    if (i === 0) return `${code}-${plain}\r\n`;
    return /^\d/.test(plain) ? ` ${plain}\r\n` : `${plain}\r\n`;
  }).join("");
}

/** A path in a reply: a quotation mark in it is doubled (RFC 959, appendix II). */
export function quotePath(name: string): string {
  return `"/${name.replaceAll('"', '""')}"`;
}

/**
 * The file that a path names, seen from a folder: its parts divided by `/`, and
 * empty for the root, above which no `..` leads.
 */
export function resolvePath(folder: string, path: string): string {
  const parts: string[] = [];
  const whole = path.startsWith("/") ? path : `${folder}/${path}`;
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Where to connect to. */
export type HostPort = [host: string, port: number];

/** The address in `h1,h2,h3,h4,p1,p2` of PORT; undefined if there is none. */
export function parsePort(argument: string): HostPort | undefined {
  const numbers = argument.match(PORT)?.[0].split(",").map(Number);
  return numbers && addressOf(numbers);
}

/** The text of 227 to PASV without its words; RangeError for no address of IPv4. */
export function formatPort(address: HostPort): string {
  const [host, port] = address;
  const text = `${host.replaceAll(".", ",")},${port >> 8},${port & 255}`;
  if (parsePort(text)) return text;
  throw new RangeError(`Cannot write an address: ${address}`);
}

/** The argument of EPRT, RFC 2428; RangeError for the path of a socket. */
export function formatExtendedPort(address: HostPort | string): string {
  const [host, port] = typeof address === "string" ? [] : address;
  const text = `|${host?.includes(":") ? 2 : 1}|${host}|${port}|`;
  if (parseExtendedPort(text)) return text;
  throw new RangeError(`Cannot write an address: ${address}`);
}

/** The protocol and the address in `|1|host|port|` of EPRT. */
export function parseExtendedPort(
  argument: string,
): { protocol: number; address: HostPort } | undefined {
  const [, , protocol, host, digits] = argument.match(EXTENDED) ?? [];
  const port = Number(digits);
  if (!host || port < 1 || port > 65_535) return;
  return { protocol: Number(protocol), address: [host, port] };
}

/** The port in the text of 227 to PASV or 229 to EPSV; undefined without one. */
export function passivePort({ code, text }: Reply): number | undefined {
  const found = text.match(code === 229 ? /\(\|\|\|(\d{1,5})\|\)/ : ANY_PORT);
  if (code === 229) {
    const port = Number(found?.[1]);
    return port >= 1 && port <= 65_535 ? port : undefined;
  }
  // RFC 1123, section 4.1.2.6: the numbers may stand anywhere. Their host does not
  // count: a server that names another one would send its client there.
  if (code === 227 && found) {
    return addressOf(found[0].split(",").map(Number))?.[1];
  }
}

function addressOf(numbers: number[]): HostPort | undefined {
  const [a, b, c, d, high, low] = numbers;
  const port = 256 * high + low;
  if (numbers.some((number) => number > 255) || port === 0) return;
  return [`${a}.${b}.${c}.${d}`, port];
}

/** The options of `ls` before the path of LIST or NLST, which many clients send. */
export function withoutOptions(argument: string): string {
  return argument.replace(/^(-[A-Za-z0-9]+( +|$))+/, "");
}

/** The last is no character: then the line is no UTF-8. */
// deno-lint-ignore no-control-regex
const COMMAND = /^([A-Za-z]{3,4})(?: ([^\0-\x1f\x7f\ufffd]*))?$/;
const REPLY = /^([1-5]\d\d)(?:([ -])(.*))?$/s;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\0-\x1f\x7f-\x9f\u2028\u2029]/g;
const PORT = /^\d{1,3}(,\d{1,3}){5}$/;
const ANY_PORT = /(?<!\d)\d{1,3}(,\d{1,3}){5}(?!\d)/;
const EXTENDED = /^([!-~])(\d{1,3})\1([\d.:A-Fa-f]{2,45})\1(\d{1,5})\1$/;
