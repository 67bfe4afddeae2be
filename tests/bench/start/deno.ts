/**
 * The exchange of tcp_time.ts raw in one file, on Deno's own sockets.
 *
 * @module
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log("server: Waiting for a client to connect...");
const serving = serve();
const client = await Deno.connect({
  hostname: "127.0.0.1",
  port: server.addr.port,
});
console.log("client: Received from server:", await text(client));
await client.write(encoder.encode("Time received successfully."));
client.close();
await serving;

async function serve() {
  const client = await server.accept();
  const { hostname, port } = client.remoteAddr;
  const time = new Date().toISOString().slice(0, 19); // as long as tcp_time's
  console.log(`server: Client Address: ('${hostname}', ${port})`);
  await client.write(encoder.encode(time));
  console.log("server: Acknowledgment from client:", await text(client));
  client.close();
  server.close();
}

async function text(client: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(1024);
  const length = await client.read(buffer);
  return decoder.decode(buffer.subarray(0, length!));
}
