/**
 * A central log goes by one clock: by their own clocks, messages of several
 * machines stand in a wrong order; by the collector's, in that of the events.
 *
 *     deno run --allow-net scripts/event_log.ts
 *     bun scripts/event_log.ts
 *     node scripts/event_log.ts
 *
 * Both ends speak syslog over TCP and UDP, so that logger and rsyslog can be
 * either. `--file FILE` appends each message to a file, as JSON Lines; Deno
 * asks for --allow-read=FILE and --allow-write=FILE then.
 *
 * Output:
 *
 *     client: Clocks: door +300 s, lamp -1800 s, phone +0 s
 *     server: received     sent         by
 *     server: <18:55:12.001> <19:00:12.000> door bell notice: 1 rings
 *     server: <18:55:12.004> <18:55:12.003> phone app notice: 2 shows who
 *     server: <18:55:12.007> <18:25:12.000> lamp relay notice: 3 is on
 *     server: <18:55:12.009> - 127.0.0.1 malformed (no PRI): 4 one\ntwo
 *     server: <18:55:12.012> <19:00:12.010> door lock notice: 5 opens
 *     client: Sent 5 messages
 *     server: 5 messages: 3 over TCP, 2 over UDP; 1 malformed
 */
import {
  type Address,
  AF_INET,
  type End,
  experiment,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import { openBoth } from "../lib/open_both.ts";
import {
  eventLine,
  eventOf,
  eventText,
  openLog,
} from "../lib/protocols/event_log.ts";
import { formatSyslog, timestampOf } from "../lib/protocols/syslog.ts";
import {
  type Frame,
  frameCounted,
  frameLine,
  frameOf,
  Unframer,
} from "../lib/protocols/syslog_framing.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Open the file, create a stream and a datagram socket, and give them the
  //    same port. A sender may be silent for long: only --timeout ends it.
  const file = flags.file === undefined ? undefined : await openLog(flags.file);
  const [listener, receiver] = await openBoth(address);
  const patience = listener.gettimeout();
  ready(listener, receiver);
  if (file?.torn) print(`Mended ${flags.file}: its last line was torn`);
  print("received     sent         by");

  // 2. Keep each message, whatever it holds, with the time at which it came:
  //    first in the file, so that what is printed is there.
  const counts = { tcp: 0, udp: 0, malformed: 0 };
  const broken = Promise.withResolvers<never>();
  const collect = (frames: Frame[], sender: Address) => {
    const received = new Date();
    const events = frames.map((frame) => eventOf(frame, sender, received));
    try {
      file?.append(events.map(eventLine).join(""));
    } catch (error) {
      return broken.reject(error);
    }
    for (const event of events) {
      counts[event.framing === "datagram" ? "udp" : "tcp"]++;
      if (event.malformed) counts.malformed++;
      print(eventText(event));
    }
  };

  // 3. Find the messages in each stream; its end may leave one unfinished.
  const receive = async (client: StreamSocket, peer: Address) => {
    client.settimeout(patience);
    const unframer = new Unframer();
    try {
      for (let bytes; (bytes = await client.recv(65536)).length > 0;) {
        collect(unframer.push(bytes), peer);
      }
    } finally {
      collect(unframer.end(), peer);
    }
  };
  const streams = async () => {
    const received = new Set<Promise<void>>();
    for await (const [client, peer] of listener) {
      await serve(client, () => {
        const work = receive(client, peer);
        received.add(work);
        return work.finally(() => received.delete(work));
      });
    }
    await Promise.allSettled(received);
  };

  // 4. A datagram is one message. Which were lost, nobody here can tell.
  const datagrams = async () => {
    for await (const [data, sender] of receiver) {
      collect([frameOf(data)], sender);
    }
  };
  await Promise.race([Promise.all([streams(), datagrams()]), broken.promise]);
  file?.close();
  const { tcp, udp, malformed } = counts;
  const both = `${tcp} over TCP, ${udp} over UDP`;
  print(`${tcp + udp} messages: ${both}; ${malformed} malformed`);
  return counts;
}

export async function client({ address, print }: End) {
  // 1. Be three machines, two of which have a wrong clock.
  const clocks = { door: 300, lamp: -1800, phone: 0 };
  const clockOf = ([name, s]: [string, number]) =>
    `${name} ${s < 0 ? "" : "+"}${s} s`;
  print(`Clocks: ${Object.entries(clocks).map(clockOf).join(", ")}`);
  const say = (
    hostname: keyof typeof clocks,
    appname: string,
    message: string,
    format: "rfc5424" | "rfc3164" = "rfc5424",
  ) => {
    const now = new Date(Date.now() + 1000 * clocks[hostname]);
    const timestamp = timestampOf(now, format);
    return formatSyslog({ format, timestamp, hostname, appname, message });
  };

  // 2. Tell of each event when the one before is known to be collected: with
  //    the length in front over TCP, as a datagram, as a line over TCP.
  await using sender = socket(AF_INET, SOCK_DGRAM);
  await deliver(frameCounted(say("door", "bell", "1 rings")), address);
  await sender.sendto(say("phone", "app", "2 shows who"), address);
  const isOn = say("lamp", "relay", "3 is on", "rfc3164");
  await deliver(frameLine(isOn), address);

  // 3. What is no syslog message, and looks like two, is collected as one.
  await sender.sendto("4 one\ntwo", address);
  await deliver(frameCounted(say("door", "lock", "5 opens")), address);
  print("Sent 5 messages");
}

/** Sends a message over TCP, and waits until the server has seen its end. */
async function deliver(frame: Uint8Array, address: Address) {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  await connection.sendall(frame);
  await connection.shutdown(SHUT_WR);
  await connection.recv(1);
}

if (import.meta.main) {
  const about = "append each message to this file, as JSON Lines";
  const flags = { file: { takes: "the path of a file", pattern: /./, about } };
  await experiment({ url: import.meta.url, port: 1514, flags, server, client });
}
