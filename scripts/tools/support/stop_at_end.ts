/**
 * Loaded before a server on Windows, where no signal can stop it: the end of its
 * standard input does, so that it prints its last lines.
 *
 * @module
 */
import process from "node:process";

if ("Deno" in globalThis) {
  const listen = Deno.addSignalListener;
  Object.assign(Deno, {
    addSignalListener(signal: Deno.Signal, stop: () => void) {
      if (signal === "SIGINT") stopAtEnd(stop); // Deno would wait here until then
      listen(signal, stop);
    },
  });
} else stopAtEnd(() => process.emit("SIGTERM"));

function stopAtEnd(stop: () => void): void {
  process.stdin.resume().once("end", stop);
}
