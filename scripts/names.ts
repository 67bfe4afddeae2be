/**
 * Hosts and ports: their forms, and the address that each becomes. Three lead to
 * the same server.
 *
 * Aim: To find the address for each form of a host and a port.
 *
 *     deno run --allow-net --allow-sys=hostname scripts/names.ts
 *     bun scripts/names.ts
 *     node scripts/names.ts
 *
 * Output:
 *
 *     client: gethostname() is <name>
 *     client: "localhost" and 8000: ('127.0.0.1', 8000)
 *     client: "127.0.0.1" and 8000: ('127.0.0.1', 8000)
 *     client: 2130706433 and 8000: ('127.0.0.1', 8000)
 *     client: "" and 8000: ('0.0.0.0', 8000)
 *     client: "<broadcast>" and 8000: ('255.255.255.255', 8000)
 *     client: "::1" and 8000: ('::1', 8000)
 *     client: "localhost" and "8000": ('127.0.0.1', 8000)
 *     client: "localhost" and "http": ('127.0.0.1', 80)
 *     client: "256.0.0.1" and 80: ENOTFOUND
 *     client: 4294967296 and 80: RangeError
 *     client: "localhost" and "gopherd": ENOTFOUND
 *     client: "localhost" and 70000: RangeError
 *     server: "localhost" has sent me a client
 *     server: "127.0.0.1" has sent me a client
 *     server: 2130706433 has sent me a client
 */
import {
  AF_INET,
  decode,
  type End,
  experiment,
  formatAddress,
  gethostname,
  parseAddress,
  Reader,
  SHUT_WR,
  SOCK_STREAM,
  socket,
  SocketError,
} from "../lib/mod.ts";

type Name = string | number;
const quoted = (name: Name) => JSON.stringify(name);
const HOSTS = ["localhost", "127.0.0.1", 2130706433, "", "<broadcast>", "::1"];

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's port, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client, and print the name that it used.
  let clients = 0;
  for await (const [client] of listener) {
    await serve(client, async () => {
      const name = await new Reader(client).all({ limit: 255 });
      print(decode(name), "has sent me a client");
      clients++;
    });
  }
  return clients;
}

export async function client({ address, print }: End) {
  // 1. Print the name of this machine.
  print("gethostname() is", await gethostname());

  // 2. Convert each form to an address, or print the error.
  const show = async (...form: [host: Name, port: Name]) =>
    print(form.map(quoted).join(" and ") + ":", await addressOf(...form));
  for (const host of HOSTS) await show(host, 8000);
  for (const port of ["8000", "http"]) await show("localhost", port);
  for (const host of ["256.0.0.1", 2 ** 32]) await show(host, 80);
  for (const port of ["gopherd", 70000]) await show("localhost", port);

  // 3. Connect by three names of this machine, or to another by that of --host.
  const here = ["localhost", "127.0.0.1", "0.0.0.0"].includes(address[0]);
  for (const host of here ? HOSTS.slice(0, 3) : [address[0]]) {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(await parseAddress(host, address[1]));
    await connection.sendall(quoted(host));
    await connection.shutdown(SHUT_WR);
    const rest = await connection.recv(1); // empty: the server has printed it
    if (rest.length > 0) throw new SocketError("EPROTO", "recv", address);
    await connection.close();
  }
}

function addressOf(host: Name, port: Name): Promise<string> {
  return parseAddress(host, port)
    .then(formatAddress, ({ code, name }: SocketError) => code ?? name);
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
