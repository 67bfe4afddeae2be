/**
 * Names: the forms in which a host and a port may be given, the address that
 * each becomes, and that three of them lead to the same server.
 *
 *     deno run --allow-net --allow-sys=hostname scripts/names.ts
 *     bun scripts/names.ts
 *     node scripts/names.ts
 *
 * Only gethostname() needs --allow-sys=hostname.
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

/** The last four are no names: no such address, number, service, port. */
const FORMS: [host: string | number, port: string | number][] = [
  ["localhost", 8000],
  ["127.0.0.1", 8000],
  [2130706433, 8000],
  ["", 8000],
  ["<broadcast>", 8000],
  ["::1", 8000],
  ["localhost", "8000"],
  ["localhost", "http"],
  ["256.0.0.1", 80],
  [4294967296, 80],
  ["localhost", "gopherd"],
  ["localhost", 70000],
];

/** No host's name is longer, in bytes: RFC 1035, section 2.3.4. */
const LONGEST = 255;

export async function server({ address, print, ready, serve }: End) {
  // 1. Create a socket, bind it to the server's address, and listen.
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(address);
  await listener.listen();
  ready(listener);

  // 2. Accept each client, and print the name that has led it here.
  let clients = 0;
  for await (const [client] of listener) {
    await serve(client, async () => {
      const name = decode(await new Reader(client).all({ limit: LONGEST }));
      print(name, "has sent me a client");
      clients++;
    });
  }
  return clients;
}

export async function client({ address, print }: End) {
  // 1. Ask for this machine's own name.
  print("gethostname() is", await gethostname());

  // 2. Make an address of each form, or see why there is none.
  for (const [host, port] of FORMS) {
    const form = `${JSON.stringify(host)} and ${JSON.stringify(port)}`;
    print(`${form}:`, await addressOf(host, port));
  }

  // 3. Connect to the server by three names of the same host.
  for (const host of FORMS.slice(0, 3).map(([host]) => host)) {
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect(await parseAddress(host, address[1]));
    await connection.sendall(JSON.stringify(host));
    await connection.shutdown(SHUT_WR);
    await connection.recv(1); // until the server has printed it
    await connection.close();
  }
}

async function addressOf(host: string | number, port: string | number) {
  try {
    return formatAddress(await parseAddress(host, port));
  } catch (error) {
    return error instanceof SocketError ? error.code : (error as Error).name;
  }
}

if (import.meta.main) {
  await experiment({ url: import.meta.url, port: 8000, server, client });
}
