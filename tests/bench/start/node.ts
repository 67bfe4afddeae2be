/**
 * The exchange of tcp_time.ts raw in one file, on node:net.
 *
 * @module
 */
import net from "node:net";

const server = net.createServer((client) => {
  const { remoteAddress, remotePort } = client;
  console.log(`server: Client Address: ('${remoteAddress}', ${remotePort})`);
  client.write(new Date().toISOString().slice(0, 19)); // as long as there
  client.on("data", (bytes) => {
    console.log("server: Acknowledgment from client:", bytes.toString());
    client.end();
    server.close();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log("server: Waiting for a client to connect...");
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect(port, "127.0.0.1");
  client.on("data", (bytes) => {
    console.log("client: Received from server:", bytes.toString());
    client.end("Time received successfully.");
  });
});
