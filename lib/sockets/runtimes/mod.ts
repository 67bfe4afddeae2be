/**
 * Chooses the sockets of the runtime that runs this. Only the files of this
 * folder may name a runtime's sockets.
 *
 * @module
 */
import type { Runtime } from "./runtime.ts";

export const runtime: Runtime = "Deno" in globalThis
  ? await import("./deno.ts")
  : "Bun" in globalThis
  ? await import("./bun.ts")
  : await import("./node.ts");
