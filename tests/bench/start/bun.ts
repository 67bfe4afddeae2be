/**
 * The exchange of tcp_time.ts raw in one file, on Bun's own sockets.
 *
 * @module
 */
const server = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(client) {
      const { remoteAddress, remotePort } = client;
      console.log(
        `server: Client Address: ('${remoteAddress}', ${remotePort})`,
      );
      client.write(new Date().toISOString().slice(0, 19)); // as long as there
    },
    data(client, bytes) {
      console.log("server: Acknowledgment from client:", bytes.toString());
      client.end();
      server.stop();
    },
  },
});
console.log("server: Waiting for a client to connect...");
Bun.connect({
  hostname: "127.0.0.1",
  port: server.port,
  socket: {
    data(client, bytes) {
      console.log("client: Received from server:", bytes.toString());
      client.end("Time received successfully.");
    },
  },
});
