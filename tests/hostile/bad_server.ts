/**
 * A server that makes every mistake that a siege should find: it prints what
 * its peers send as it is, and keeps descriptors and memory.
 */
import { openSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import process from "node:process";

let kept: Uint8Array | undefined;
const server = net.createServer({ allowHalfOpen: true }, (client) => {
  openSync("/dev/null", "r");
  client.on("error", (error) => console.error(error.stack));
  client.on("data", (bytes: Uint8Array) => {
    process.stdout.write(bytes);
    if (bytes.includes(0)) kept ??= new Uint8Array(80 * 1024 * 1024).fill(1);
  });
  client.on("end", () => client.end("Hello World!"));
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.error(`Listening on 127.0.0.1:${port} (Ctrl-C stops it)`);
});
