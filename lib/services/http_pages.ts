/**
 * The pages that an HTTP server shows: those of a shelf, and those that clients
 * have uploaded, which stay in memory and are text for every browser.
 *
 * @module
 */
import type { HttpRequest } from "../protocols/http.ts";
import { SocketError } from "../sockets/socket_error.ts";
import { FILE_FLAGS } from "./flag_values.ts";
import { type Answer, textAnswer } from "./http_answer.ts";
import { chunksOf, openShelf, type Shelf } from "./shelf.ts";

/** The flag of a server for the folder that it shows. */
export const PAGE_FLAGS = { root: FILE_FLAGS.root };

/** Pages, and the answers to requests for them. */
export interface Pages {
  /** GET, HEAD and PUT; 405 for another method, 501 for an unknown one. */
  answer(request: HttpRequest): Answer | Promise<Answer>;
}

/** The pages below a folder; without one, a page in memory. */
export async function openPages(root?: string): Promise<Pages> {
  const shelf = root === undefined ? undefined : await openShelf(root);
  const uploads = new Map<string, Uint8Array>();
  return {
    answer(request) {
      const { method, path } = request;
      const name = path.slice(1) || "index.html";
      if (method === "PUT") return put(uploads, name, request);
      if (method !== "GET" && method !== "HEAD") {
        return METHODS.includes(method)
          ? textAnswer(405, "GET, HEAD or PUT", { Allow: "GET, HEAD, PUT" })
          : textAnswer(501, "an unknown method");
      }
      const body = uploads.get(name);
      if (body) return { status: 200, fields: UPLOADED, body };
      if (shelf) return get(shelf, name);
      return name === "index.html" ? INDEX : NO_PAGE;
    },
  };
}

/** Keeps a page; its name must be plain, and there must be room for it. */
function put(
  uploads: Map<string, Uint8Array>,
  name: string,
  { fields, path, body }: HttpRequest,
): Answer {
  if (!PLAIN.test(path.slice(1))) {
    return textAnswer(403, "a page is named by letters, digits, . _ -");
  }
  if (fields.has("content-range")) {
    return textAnswer(400, "a page is sent whole");
  }
  if (fields.has("content-encoding")) {
    return textAnswer(415, "a page is sent as it is");
  }
  const before = uploads.get(name);
  let size = body.length - (before?.length ?? 0);
  for (const page of uploads.values()) size += page.length;
  if (size > ROOM || (!before && uploads.size === COUNT)) {
    return textAnswer(507, "no room for more pages");
  }
  uploads.set(name, body.slice());
  if (before) return { status: 204 };
  return { status: 201, fields: { Location: `/${name}` } };
}

/** A page of the shelf; a long one is sent in pieces, and opened again for that. */
async function get(shelf: Shelf, name: string): Promise<Answer> {
  try {
    const file = await shelf.open(name);
    const { size } = file;
    const short = new Uint8Array(Math.min(size, SHORT));
    const read = await file.read(0, short).finally(file.close);
    const body = size <= SHORT
      ? short.subarray(0, read)
      : { size, pieces: piecesOf(shelf, name, size) };
    const [, ending = ""] = name.match(/\.(\w+)$/) ?? [];
    const type = TYPES.get(ending.toLowerCase()) ?? "application/octet-stream";
    return page(type, body);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return ["EMFILE", "ENFILE"].includes(error.code)
      ? textAnswer(503, "no descriptor is left")
      : NO_PAGE;
  }
}

function page(type: string, body: Answer["body"]): Answer {
  return {
    status: 200,
    fields: { "Content-Type": type, ...NO_SNIFFING },
    body,
  };
}

/** What a page holds; EBADMSG if it has become shorter than was said. */
async function* piecesOf(shelf: Shelf, name: string, size: number) {
  const file = await shelf.open(name);
  let left = size;
  try {
    for await (const piece of chunksOf(file, size)) {
      left -= piece.length;
      yield piece;
    }
  } finally {
    await file.close();
  }
  if (left > 0) throw new SocketError("EBADMSG", "read", name);
}

/** Names of pages that are uploaded: no folder, no hidden file. */
const PLAIN = /^\w[\w.-]{0,99}$/;
/** How many of them, and how many bytes in all. */
const [COUNT, ROOM] = [100, 16 * 2 ** 20];
/** A page up to this size is read at once, in bytes. */
const SHORT = 65_536;

/** Methods of RFC 9110 and 5789 that have no meaning here. */
const METHODS = ["CONNECT", "DELETE", "OPTIONS", "PATCH", "POST", "TRACE"];
const NO_SNIFFING = { "X-Content-Type-Options": "nosniff" };
/**
 * Anybody may have uploaded it: a browser shows it as text, and would run nothing
 * of it in the name of this server.
 */
const UPLOADED = {
  "Content-Type": "text/plain; charset=utf-8",
  ...NO_SNIFFING,
  "Content-Security-Policy": "sandbox; default-src 'none'",
};
const TYPES = new Map(Object.entries({
  css: "text/css; charset=utf-8",
  gif: "image/gif",
  htm: "text/html; charset=utf-8",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/plain; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  wasm: "application/wasm",
}));

const NO_PAGE = textAnswer(404, "no such page");
const INDEX = page(
  "text/html; charset=utf-8",
  new TextEncoder().encode(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Socket Lab</title>
<h1>It works</h1>
<p>This page came over a connection of TCP, behind a few lines of text.</p>
</html>
`),
);
