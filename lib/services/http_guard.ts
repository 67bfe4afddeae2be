/**
 * Guards a server for one user of this machine: it answers its own page, and nobody
 * else who can reach it, such as another page in the same browser.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import type { HttpRequest } from "../protocols/http.ts";
import { HttpFault } from "../protocols/http_lines.ts";

/** A server for one user, and the secret of its page. */
export interface Own {
  readonly port: number;
  /** 32 hexadecimal digits. */
  readonly token: string;
}

/** 128 random bits in hexadecimal. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

/**
 * Throws an HttpFault for a request by another name, which may be one that a
 * foreign page has given to this address (DNS rebinding).
 */
export function checkHost({ fields, target }: HttpRequest, own: Own): void {
  const hosts = ["127.0.0.1", "localhost", "[::1]"];
  const host = fields.get("host");
  if (!hosts.some((name) => host === `${name}:${own.port}`)) {
    throw new HttpFault(403, "another host");
  }
  if (!target.startsWith("/")) throw new HttpFault(400, "a path is wanted");
}

/** Throws an HttpFault for a request that is not from the server's own page. */
export function checkSender({ fields }: HttpRequest, own: Own): void {
  const given = encoder.encode(fields.get("lab-token"));
  const token = encoder.encode(own.token);
  if (given.length !== token.length || !timingSafeEqual(given, token)) {
    throw new HttpFault(403, "the token of the page's address is missing");
  }
  const origin = fields.get("origin");
  if (origin !== undefined && origin !== `http://${fields.get("host")}`) {
    throw new HttpFault(403, "another origin");
  }
  const site = fields.get("sec-fetch-site") ?? "none";
  if (site !== "same-origin" && site !== "none") {
    throw new HttpFault(403, "another site");
  }
}

/** The fields of every answer: the page loads its own files, and nobody frames it. */
export const SAFE_FIELDS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; script-src 'self'; " +
    "style-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const encoder = new TextEncoder();
