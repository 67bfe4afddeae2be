/**
 * The exchange of tcp_time.ts in one file on Bun's own sockets.
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
      client.write(dateAndTime());
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

function dateAndTime(date = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(date.getDate())}/${two(date.getMonth() + 1)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${day}/${date.getFullYear()} ${time.map(two).join(":")}`;
}
