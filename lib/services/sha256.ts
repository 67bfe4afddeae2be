/**
 * SHA-256 of what comes in pieces: Web Crypto, which all runtimes have, wants
 * all of it at once.
 *
 * @module
 */
import type { Hash } from "../protocols/file_transfer.ts";

// Not static: a bundle with all of the library would load it at once.
const { createHash } = await import("node:crypto");

/** A new SHA-256, FIPS 180-4. */
export function sha256(): Hash {
  return createHash("sha256");
}
