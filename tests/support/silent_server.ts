/**
 * A server of which clients hear nothing, on a TCP port of this machine.
 */
import net from "node:net";

/** A server of which clients hear nothing. */
export async function silentServer() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    port: String(port),
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
