/**
 * Study of socket programming: each socket call on a real connection, what it
 * does, which end makes it, and the TCP state of each end after it (RFC 9293,
 * section 3.3.2).
 *
 * Aim: To study the calls of a server and a client, and the TCP states of a
 * connection.
 *
 *     deno run --allow-net scripts/study.ts
 *     bun scripts/study.ts
 *     node scripts/study.ts
 *
 * On a terminal each step waits for Enter. On Linux the state that the kernel
 * reports stands beside each; under Deno that takes `--allow-all`.
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
import {
  END_KEY,
  guide,
  type GuidedScript,
  type Session,
} from "../lib/experiment/guide.ts";
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
import { access, statesOf } from "../lib/services/proc_net_tcp.ts";

const TERMS = {
  socket: "one endpoint of a communication between two programs",
  domain: "the form of its address: AF_INET for IPv4",
  type: `how data is sent: SOCK_STREAM, as a stream of bytes, complete and in
    order; SOCK_DGRAM, as datagrams, each independent of the others`,
  protocol: "what carries the data: TCP a stream, UDP datagrams",
  host: "a machine: 127.0.0.1 is always this one",
  port: "a socket on that machine: a number from 1 to 65535",
  address: "host and port together: ('127.0.0.1', 8000)",
  server: "the program that waits for clients at an address",
  client: "the program that connects to that address",
};

/** The next state after a call, or after a segment arrives: RFC 9293, fig. 5. */
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

export const script: GuidedScript = {
  url: import.meta.url,
  help: `Explains the calls of a server and a client, one by one. On a terminal,
Enter shows the next call; ${END_KEY} or Ctrl-C ends the study.`,
  flags: {
    port: {
      help: "listen on this port, so that other programs can observe it",
      takes: "0 to 65535",
      pattern: /^([1-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
    },
  },
  run: study,
};

async function study(session: Session) {
  for (const [term, meaning] of Object.entries(TERMS)) {
    session.paragraph(term.padEnd(10), meaning);
  }
  const { add, step } = await stepper(session);

  await using listener = socket(AF_INET, SOCK_STREAM);
  add("listener", "CLOSED");
  await step(
    "server: socket(AF_INET, SOCK_STREAM)",
    `Creates a socket. Its domain and type determine the protocol: TCP. It has
    no address yet.`,
    { listener: [] },
  );

  const port = Number(session.flags.port ?? 0);
  await listener.bind(["127.0.0.1", port]);
  const address = listener.getsockname();
  add("listener", "CLOSED", address);
  await step(
    `server: bind(('127.0.0.1', ${port}))`,
    `Gives the socket its address, ${formatAddress(address)}; with port 0 the
    system chooses a free one. If the port is taken, this call fails with
    EADDRINUSE. Clients are still refused.`,
    { listener: [] },
  );

  await listener.listen(5);
  await step(
    "server: listen(5)",
    `From now on the kernel answers clients and puts them in the accept queue;
    5 is a hint at how many may wait there.`,
    { listener: ["listen"] },
  );

  await using client = socket(AF_INET, SOCK_STREAM);
  await client.connect(address);
  const name = client.getsockname();
  add("server", "LISTEN", address, name);
  add("client", "CLOSED", name, address);
  await step(
    `client: connect(${formatAddress(address)})`,
    `Connects to the server; the system gives this socket the address
    ${formatAddress(name)}. SYN, SYN+ACK, ACK: the kernel has answered before
    the server's program does anything.`,
    { server: ["SYN", "ACK"], client: ["connect", "SYN+ACK"] },
  );

  const [server, peer] = await listener.accept();
  await using _server = server;
  await step(
    `server: accept() = a socket, ${formatAddress(peer)}`,
    `Takes the client that has waited longest, or waits for one. Returns a new
    socket for this client alone, and its address. The listener stays open.`,
    { listener: [], server: [], client: [] },
  );

  const taken = await client.send("What time is it?");
  await step(
    `client: send("What time is it?") = ${taken}`,
    `Passes bytes to the kernel and returns how many it took. The kernel
    sends them again until they are acknowledged.`,
    { server: [], client: [] },
  );

  const question = decode(await server.recv(1024));
  await step(
    `server: recv(1024) = ${JSON.stringify(question)}`,
    `Returns the bytes that have arrived, at most 1024, or waits for some. They
    may be a part of a text, or two texts: a stream has no messages.`,
    { server: [], client: [] },
  );

  await client.shutdown(SHUT_WR);
  await step(
    "client: shutdown(SHUT_WR)",
    `Announces that the client sends no more (FIN). It can still receive: the
    connection is half closed.`,
    { server: ["FIN"], client: ["shutdown", "ACK"] },
  );

  const end = decode(await server.recv(1024));
  await step(
    `server: recv(1024) = ${JSON.stringify(end)}`,
    "Empty: the FIN is the end of the stream, now and on each later call.",
    { server: [], client: [] },
  );

  await server.sendall(dateAndTime());
  const answer = decode(await client.recv(1024));
  await step(
    `server: sendall(...); client: recv(1024) = ${JSON.stringify(answer)}`,
    `The other direction is still open. sendall() repeats send() until the
    kernel has all bytes.`,
    { server: [], client: [] },
  );

  await server.close();
  await step(
    "server: close()",
    `Closes the open direction (FIN) and releases the socket. The end that
    sent the first FIN waits for a while, in case its last ACK is lost.`,
    { server: ["close", "ACK"], client: ["FIN"] },
  );

  await client.close();
  await step(
    "client: close()",
    `Releases the socket. Only the kernel still keeps the state, and with it
    the port: for 60 s on Linux.`,
    { client: [] },
  );

  await listener.close();
  await step(
    "server: close() of the listener",
    "Closes the port: from now on, the kernel refuses connections to it.",
    { listener: ["close"] },
  );
}

/** Explains step by step, and keeps the state of each socket. */
async function stepper({ print, paragraph, pause }: Session) {
  const known = new Map<string, { state: string; ports: number[] }>();
  let number = 0;
  const allowed = await access();
  if (allowed === "yes") {
    print("In brackets: the state that the kernel reports");
  }
  if (allowed === "denied") {
    print("For the states that the kernel reports: deno run --allow-all");
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
    paragraph("    ", meaning);
    const sockets = Object.keys(events).map((name) => known.get(name)!);
    const rows = Object.entries(events).map(([name, happened], i) => {
      const states = [sockets[i].state];
      for (const event of happened) {
        states.push(NEXT[`${states.at(-1)} ${event}`]);
      }
      sockets[i].state = states.at(-1)!;
      return `    ${name.padEnd(9)}${states.join(" > ")}`;
    });
    const asks = allowed === "yes" && sockets[0].ports.length > 0;
    const reported = asks ? await statesOf(sockets) : [];
    rows.forEach((row, i) =>
      print(reported[i] ? `${row.padEnd(51)}[${reported[i]}]` : row)
    );
    await pause();
  }

  return { add, step };
}

if (import.meta.main) await guide(script);
