/**
 * Loaded before a program, lets it take this system for the one that
 * SOCKET_LAB_SYSTEM names, such as `windows`.
 */
import process from "node:process";

const system = process.env.SOCKET_LAB_SYSTEM!;
if ("Deno" in globalThis) {
  Object.assign(Deno, { build: { ...Deno.build, os: system } });
} else {
  const value = system.replace("windows", "win32");
  Object.defineProperty(process, "platform", { value });
}
