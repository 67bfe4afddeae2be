/**
 * Study: each socket call on a real connection, what it does, which end calls
 * it, and the state of TCP in which it leaves each end (RFC 9293, 3.3.2).
 *
 *     deno run --allow-net scripts/study.ts
 *     bun scripts/study.ts
 *     node scripts/study.ts
 *
 * On a terminal each step waits for Enter. On Linux the kernel's own word on
 * each state stands beside it; under Deno that takes `--allow-all`.
 *
 * Output, where `...` stands for what is left out:
 *
 *     ...
 *      4. client: connect(('127.0.0.1', <port>))
 *     ...
 *         server   LISTEN > SYN-RECEIVED > ESTABLISHED ...
 *         client   CLOSED > SYN-SENT > ESTABLISHED ...
 *     ...
 *      8. client: shutdown(SHUT_WR)
 *     ...
 *         server   ESTABLISHED > CLOSE-WAIT ...
 *         client   ESTABLISHED > FIN-WAIT-1 > FIN-WAIT-2 ...
 *     ...
 *     11. server: close()
 *     ...
 *         server   CLOSE-WAIT > LAST-ACK > CLOSED ...
 *         client   FIN-WAIT-2 > TIME-WAIT ...
 *     ...
 */
import { access, statesOf } from "../lib/services/proc_net_tcp.ts";
import { guide, type Reading } from "../lib/experiment/guide.ts";
import {
  type Address,
  AF_INET,
  dateAndTime,
  decode,
  formatAddress,
  SHUT_WR,
  SOCK_STREAM,
  socket,
} from "../lib/mod.ts";

const WORDS = {
  socket: "one end of a conversation between two programs",
  domain: "how addresses are written: AF_INET, as in IPv4",
  type: `how data is carried: SOCK_STREAM, as a stream of bytes, all of them
    and in order; SOCK_DGRAM, in datagrams, each by itself`,
  protocol: "what carries it: TCP the stream, UDP the datagrams",
  host: "which machine: 127.0.0.1 is always this one",
  port: "which socket there: a number from 1 to 65535",
  address: "host and port together: ('127.0.0.1', 8000)",
  server: "waits at an address",
  client: "knows that address, and calls",
};

/** Where a call, or a segment that arrives, leads: RFC 9293, figure 5. */
const NEXT: Record<string, string> = {
  "CLOSED listen": "LISTEN",
  "CLOSED connect": "SYN-SENT",
  "LISTEN SYN": "SYN-RECEIVED",
  "LISTEN close": "CLOSED",
  "SYN-SENT SYN+ACK": "ESTABLISHED",
  "SYN-RECEIVED ACK": "ESTABLISHED",
  "ESTABLISHED shutdown": "FIN-WAIT-1",
  "ESTABLISHED FIN": "CLOSE-WAIT",
  "FIN-WAIT-1 ACK": "FIN-WAIT-2",
  "FIN-WAIT-2 FIN": "TIME-WAIT",
  "CLOSE-WAIT close": "LAST-ACK",
  "LAST-ACK ACK": "CLOSED",
};

async function study(reader: Reading) {
  for (const [word, meaning] of Object.entries(WORDS)) {
    reader.say(word.padEnd(10), meaning);
  }
  const { add, step } = await stepper(reader);

  await using listener = socket(AF_INET, SOCK_STREAM);
  add("listener", "CLOSED");
  await step(
    "server: socket(AF_INET, SOCK_STREAM)",
    `Creates a socket of a domain and a type, which imply the protocol: TCP.
    It has no address yet.`,
    { listener: [] },
  );

  const port = Number(reader.flags.port ?? 0);
  await listener.bind(["127.0.0.1", port]);
  await step(
    `server: bind(('127.0.0.1', ${port}))`,
    `Gives it an address, at which clients will find it. Port 0 lets the
    system choose one that is free.`,
    { listener: [] },
  );

  await listener.listen(5);
  const address = listener.getsockname();
  add("listener", "CLOSED", address);
  await step(
    "server: listen(5)",
    `Opens ${formatAddress(address)}: from now on the kernel answers those
    who call, and they wait to be accepted; 5 hints at how many may.`,
    { listener: ["listen"] },
  );

  await using client = socket(AF_INET, SOCK_STREAM);
  await client.connect(address);
  const name = client.getsockname();
  add("server", "LISTEN", address, name);
  add("client", "CLOSED", name, address);
  await step(
    `client: connect(${formatAddress(address)})`,
    `Calls the server, from a socket that the system names
    ${formatAddress(name)}. SYN, SYN+ACK, ACK: the kernel has answered, before
    the server's program does anything.`,
    { server: ["SYN", "ACK"], client: ["connect", "SYN+ACK"] },
  );

  const [server, peer] = await listener.accept();
  await using _server = server;
  await step(
    `server: accept() = a socket, ${formatAddress(peer)}`,
    `Takes the client that has waited longest, or waits for one: gives a new
    socket for this client alone, and its address. The listener stays.`,
    { listener: [], server: [], client: [] },
  );

  const taken = await client.send("What time is it?");
  await step(
    `client: send("What time is it?") = ${taken}`,
    `Hands bytes to the kernel and gives how many it took. The kernel repeats
    them until they are acknowledged.`,
    { server: [], client: [] },
  );

  const question = decode(await server.recv(1024));
  await step(
    `server: recv(1024) = ${JSON.stringify(question)}`,
    `Gives what is there, at most 1024 bytes, or waits. It may be a part, or
    two texts in one: a stream has no messages.`,
    { server: [], client: [] },
  );

  await client.shutdown(SHUT_WR);
  await step(
    "client: shutdown(SHUT_WR)",
    `Says that it sends no more (FIN), and still receives: the connection is
    half closed.`,
    { server: ["FIN"], client: ["shutdown", "ACK"] },
  );

  const end = decode(await server.recv(1024));
  await step(
    `server: recv(1024) = ${JSON.stringify(end)}`,
    "Empty: this is how a program sees the FIN, now and from now on.",
    { server: [], client: [] },
  );

  await server.sendall(dateAndTime());
  const answer = decode(await client.recv(1024));
  await step(
    `server: sendall(...); client: recv(1024) = ${JSON.stringify(answer)}`,
    "The other direction is open still. sendall() is send() to the last byte.",
    { server: [], client: [] },
  );

  await server.close();
  await step(
    "server: close()",
    `Ends what is still open (FIN) and gives the socket back. The end that
    was first to say FIN waits a while, in case its last ACK is lost.`,
    { server: ["close", "ACK"], client: ["FIN"] },
  );

  await client.close();
  await step(
    "client: close()",
    `Gives the socket back. The kernel alone keeps the state, and with it the
    port: for 60 s on Linux.`,
    { client: [] },
  );

  await listener.close();
  await step(
    "server: close() of the listener",
    "Shuts the port: from now on, those who call are refused.",
    { listener: ["close"] },
  );
}

/** Tells step after step, and keeps the state of each socket meanwhile. */
async function stepper({ print, say, pause }: Reading) {
  const known = new Map<string, { state: string; ports: number[] }>();
  let number = 0;
  const allowed = await access();
  if (allowed === "yes") print("In brackets: what the kernel says");
  if (allowed === "denied") {
    print("Deno also shows what the kernel says with: deno run --allow-all");
  }

  function add(name: string, state: string, ...addresses: Address[]) {
    const ports = addresses.map(([, port]) => Number(port));
    known.set(name, { state, ports });
  }

  async function step(
    call: string,
    meaning: string,
    events: Record<string, string[]>,
  ) {
    print(`${String(++number).padStart(2)}. ${call}`);
    say("    ", meaning);
    const sockets = Object.keys(events).map((name) => known.get(name)!);
    const rows = Object.entries(events).map(([name, happened], i) => {
      const states = [sockets[i].state];
      for (const event of happened) {
        states.push(NEXT[`${states.at(-1)} ${event}`]);
      }
      sockets[i].state = states.at(-1)!;
      return `    ${name.padEnd(9)}${states.join(" > ")}`;
    });
    const asked = allowed === "yes" && sockets[0].ports.length > 0;
    const said = asked ? await statesOf(sockets) : [];
    rows.forEach((row, i) =>
      print(said[i] ? `${row.padEnd(51)}[${said[i]}]` : row)
    );
    await pause();
  }

  return { add, step };
}

if (import.meta.main) {
  await guide({
    url: import.meta.url,
    about: "Leads through the calls of a server and a client, one by one.\n" +
      "On a terminal Enter goes on, and Ctrl-D or Ctrl-C ends it.",
    flags: {
      port: {
        about: "listen on this port, so that others can watch it",
        takes: "0 to 65535",
        pattern:
          /^([1-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
      },
    },
    run: study,
  });
}
