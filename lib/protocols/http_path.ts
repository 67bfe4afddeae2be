/**
 * The path in the target of a request. A server uses it as a name: so it must not
 * lead upwards, however that is written.
 *
 * @module
 */
import { HttpFault } from "./http_lines.ts";

/**
 * The path of a target, RFC 9112 section 3.2, decoded and without its query:
 * `/a b` for `/a%20b?c` and for `http://host/a%20b`; `*` of OPTIONS and the
 * `host:port` of CONNECT are themselves. Throws 400 for another target, a
 * malformed escape, a control character, and for a part `..`: also one that is
 * escaped again and again, that ends with what some systems ignore, or that consists of
 * other characters for the dot.
 */
export function pathOf(method: string, target: string): string {
  if (method === "OPTIONS" && target === "*") return target;
  if (method === "CONNECT") {
    if (/^[^/?#@]+:\d{1,5}$/.test(target)) return target;
    throw BAD_TARGET;
  }
  const [found, raw] = TARGET.exec(target) ?? [];
  if (found === undefined) throw BAD_TARGET;
  if (raw === "") return "/";
  if (PLAIN.test(raw) && !raw.includes("..")) return raw;
  const path = unescape(raw);
  if (path === undefined) throw new HttpFault(400, "a malformed escape");
  let meant = path;
  for (
    let left = 4, next;
    (next = unescapeAll(meant)) !== meant;
    meant = next
  ) {
    if (left-- === 0) throw new HttpFault(400, "an escape of escapes");
  }
  if (CONTROL.test(meant)) throw new HttpFault(400, "a control in the path");
  if (meant.normalize("NFKC").split(/[/\\]/).some((part) => UP.test(part))) {
    throw new HttpFault(400, "a path that leads upwards");
  }
  return path;
}

function unescape(path: string): string | undefined {
  try {
    return decodeURIComponent(path); // strict: neither surrogates nor long forms
  } catch {
    return;
  }
}

/** As programs do that leave a malformed escape as it is. */
function unescapeAll(path: string): string {
  return path.replace(/(?:%[0-9a-f]{2})+/gi, (all) => unescape(all) ?? all);
}

const BAD_TARGET = new HttpFault(400, "a malformed target");
/** The path is behind the authority, and before the query. */
const TARGET =
  /^(?:https?:\/\/(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?(?=[/?]|$)|(?=\/))([^?#]*)(?:\?[^#]*)?$/i;
const PLAIN = /^[\w/.~!$&'()*+,;=:@-]*$/;
const CONTROL = /\p{Cc}/u;
/** Two dots or more, and what may follow them: `..;`, `.. `. */
const UP = /^\s*\.\.[.\s]*(?:;.*)?$/;
