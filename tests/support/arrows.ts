/**
 * Finds the arrows of a drawing that point backwards in time: what has arrived
 * before it was sent.
 */

/** What is known of a call that is drawn. */
export interface ArrowCall {
  end: "server" | "client";
  connection: number;
  /** The end's own number of the socket. */
  socket: number;
  call: string;
  args: string[];
  result?: string;
  error?: string;
  bytes?: number;
  /** What a datagram holds, a character a byte. */
  data?: string;
}

/** A line for each call, in the order in which they are drawn, that is too early. */
export function backwards(calls: ArrowCall[]): string[] {
  const found: string[] = [];
  const datagrams = datagramSockets(calls);
  const streams = new Map<string, number>(); // bytes sent and not yet received
  const sent = { server: [] as string[], client: [] as string[] }; // datagrams
  const received = new Map<string, number>(); // of a socket, by what they hold
  const seen = new Set<string>();
  const accepts = calls.some(({ end, call }) =>
    end === "client" && call === "accept"
  );
  calls.forEach((one, at) => {
    const { end, connection, call, bytes = 0, result } = one;
    const other = end === "server" ? "client" : "server";
    const wrong = (why: string) => found.push(`${at}: ${textOf(one)} ${why}`);
    seen.add(`${end} ${connection} ${call}`);
    if (result === undefined) return;
    const isDatagram = datagrams.has(`${end} ${one.socket}`);
    const to = `${other} ${connection}`;
    const own = `${end} ${connection}`;
    if (call === "accept") {
      // Nobody knows whose client the other end is where that has none (0).
      const begun = connection > 0
        ? seen.has(`${other} ${connection} connect`)
        : [...seen].some((key) =>
          new RegExp(`^${other} .* connect$`).test(key)
        );
      if (!begun) wrong("before connect");
    } else if (/^send/.test(call)) {
      if (isDatagram) sent[end].push(one.data ?? "");
      else add(streams, to, bytes);
    } else if (/^recv/.test(call) && isDatagram) {
      // Of a longer datagram only the first bytes are received.
      const { data = "" } = one;
      const times = add(received, `${end} ${one.socket} ${data}`, 1);
      const same = sent[other].filter((each) => each.startsWith(data));
      if (times > same.length) wrong("before sendto");
    } else if (/^recv/.test(call) && bytes > 0) {
      if (add(streams, own, -bytes) < 0) wrong("before send");
    } else if (/^recv/.test(call)) {
      const ends = /^(close|shutdown|abort)$/;
      const ended = [...seen].some((key) =>
        key.startsWith(`${to} `) && ends.test(key.split(" ")[2])
      );
      const later = calls.slice(at).some((next) =>
        `${next.end} ${next.connection}` === to && ends.test(next.call)
      );
      // With FTP a client accepts, too, and its end has several streams.
      if (!ended && later && !accepts) wrong("before the stream has ended");
    }
  });
  return found;
}

function add(map: Map<string, number>, key: string, number: number): number {
  const sum = (map.get(key) ?? 0) + number;
  map.set(key, sum);
  return sum;
}

/** Those that socket() has made so, by end and number. */
function datagramSockets(calls: ArrowCall[]): Set<string> {
  return new Set(
    calls.filter(({ call, args }) =>
      call === "socket" && args.includes("SOCK_DGRAM")
    ).map(({ end, socket }) => `${end} ${socket}`),
  );
}

function textOf({ end, connection, call, args }: ArrowCall): string {
  return `${end} ${connection} ${call}(${args.join(", ")})`.slice(0, 80);
}
