/**
 * Names the system, for the few lines where it makes a difference.
 *
 * @module
 */

/** Such as `linux`, `darwin` or `windows`. */
export const SYSTEM: string = "Deno" in globalThis
  ? Deno.build.os
  : process.platform.replace("win32", "windows");

export const WINDOWS = SYSTEM === "windows";
