/**
 * The head of a message of HTTP/1.1 as text: its first line and its fields.
 *
 * @module
 */
import { TOKEN } from "./http_lines.ts";

/**
 * The lines before a body, with the empty one. TypeError for a field that would
 * become two, or none.
 */
export function formatHead(
  first: string,
  fields: Iterable<readonly [name: string, value: string]>,
): string {
  let head = `${first}\r\n`;
  for (const [name, value] of fields) {
    if (!NAME.test(name) || /[^\t -~\x80-\xff]/.test(value)) {
      throw new TypeError(`Cannot send the field ${JSON.stringify(name)}`);
    }
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}

/** `HTTP/1.1 404 Not Found`. */
export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`;
}

/** The reason phrases of RFC 9110 section 15, for the codes that are used here. */
export const REASONS: Record<number, string> = {
  100: "Continue",
  101: "Switching Protocols",
  200: "OK",
  201: "Created",
  204: "No Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
  507: "Insufficient Storage",
};

const NAME = new RegExp(`^${TOKEN}$`);
