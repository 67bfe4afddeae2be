/**
 * Makes the calls that its argument lists, and prints a line for each: `done`, or
 * the code and the message of its error. `permissions.ts` runs it on Deno with
 * few permissions.
 *
 * @module
 */
import process from "node:process";
import {
  type Address,
  type DatagramSocket,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../lib/mod.ts";

/** A call, and the names that it needs. */
export interface Call {
  call: "connect" | "bind" | "listen" | "datagrams: bind" | "datagrams: sendto";
  address: Address;
  /** Where the socket is bound first, if anywhere. */
  from?: Address;
}

async function make({ call, address, from }: Call): Promise<void> {
  const family = address[0].includes(":") ? "AF_INET6" : "AF_INET";
  const [method, ofDatagrams] = call.split(": ").reverse();
  const made: StreamSocket | DatagramSocket = ofDatagrams
    ? socket(family, SOCK_DGRAM)
    : socket(family, SOCK_STREAM);
  if (from) await made.bind(from);
  if (method === "bind") await made.bind(address);
  if (method === "connect") await made.connect(address);
  if (method === "listen") {
    await made.bind(address);
    await (made as StreamSocket).listen();
  }
  if (method === "sendto") await (made as DatagramSocket).sendto("x", address);
}

if (import.meta.main) {
  for (const call of JSON.parse(process.argv[2]) as Call[]) {
    const outcome = await make(call).then(
      () => "done",
      (error) =>
        error instanceof SocketError
          ? `${error.code} ${error.message}`
          : String(error),
    );
    console.log(outcome);
  }
}
