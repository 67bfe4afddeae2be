/**
 * Central event log with syslog: a log needs one clock. Sorted by the senders'
 * clocks, messages of several machines are out of order; by the collector's
 * clock, they are not.
 *
 * Aim: To collect the events of several machines in one log, in the right
 * order.
 *
 *     deno run --allow-net scripts/event_log.ts
 *     bun scripts/event_log.ts
 *     node scripts/event_log.ts
 *
 * Both ends speak syslog over TCP and UDP, so logger and rsyslog can replace
 * either; `--timeout 3600000` lets a sender be silent for an hour. `--file FILE`
 * appends each message to a file as JSON Lines, which one server at a time may
 * write; Deno then also needs --allow-read=FILE and --allow-write=FILE.
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
  formatAddress,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  type StreamSocket,
} from "../lib/mod.ts";
import { formatSyslog } from "../lib/protocols/syslog.ts";
import {
  datagramFrame,
  type Frame,
  frameCounted,
  FrameDecoder,
  frameLine,
} from "../lib/protocols/syslog_framing.ts";
import { formatTimestamp } from "../lib/protocols/syslog_timestamp.ts";
import { formatEvent, openLog } from "../lib/services/event_log.ts";
import { openBoth } from "../lib/services/open_both.ts";
import { serveAll } from "../lib/services/serve_all.ts";

export async function server(end: End) {
  const { address, flags, print, ready } = end;
  // 1. Open the file. Create a stream and a datagram socket, and bind both to
  //    the same port.
  const log = await openLog(flags.file);
  const [listener, receiver] = await openBoth(address);
  ready(listener, receiver);
  for (const note of log.notes) print(note);
  print("received     sent         by");

  // 2. Keep each message, even a malformed one, with the time at which it came.
  //    Write it to the file first: what is printed is never lost.
  const broken = Promise.withResolvers<never>();
  const collect = (frames: Frame[], sender: Address) => {
    try {
      for (const event of log.keep(frames, sender)) print(formatEvent(event));
    } catch (error) {
      broken.reject(error);
    }
  };

  // 3. Find the messages in each stream; the end of a stream may cut one off.
  //    HTTP, which any web page can send to this port, has no messages.
  const receive = async (client: StreamSocket, peer: Address) => {
    const decoder = new FrameDecoder();
    try {
      for (let bytes; (bytes = await client.recv(65536)).length > 0;) {
        collect(decoder.push(bytes), peer);
        if (decoder.isHttp) return print("Refused HTTP:", formatAddress(peer));
      }
    } finally {
      collect(decoder.end(), peer);
    }
  };

  // 4. A datagram is one message. The server cannot see which were lost.
  const datagrams = async () => {
    for await (const [data, sender] of receiver) {
      collect([datagramFrame(data)], sender);
    }
  };
  const all = [serveAll(listener, end, receive), datagrams()];
  const ended = Promise.race([Promise.all(all), broken.promise]);
  await ended.finally(log.close);
  print(log.summary());
  return log.counts;
}

export async function client({ address, print }: End) {
  // 1. Simulate three machines, two of which have a wrong clock.
  print("Clocks: door +300 s, lamp -1800 s, phone +0 s");
  const [door, phone] = [machine("door", 300), machine("phone", 0)];
  const lamp = machine("lamp", -1800, "rfc3164");

  // 2. Send a message about each event once the one before is collected: with
  //    octet counting over TCP, as a datagram, and as a line over TCP.
  await using sender = socket(AF_INET, SOCK_DGRAM);
  await deliver(frameCounted(door("bell", "1 rings")), address);
  await sender.sendto(phone("app", "2 shows who"), address);
  await deliver(frameLine(lamp("relay", "3 is on")), address);

  // 3. Send a malformed message with a line feed: it is collected as one.
  await sender.sendto("4 one\ntwo", address);
  await deliver(frameCounted(door("lock", "5 opens")), address);
  print("Sent 5 messages");
}

/** Makes messages of a machine whose clock is so many seconds ahead. */
function machine(
  hostname: string,
  ahead: number,
  format: "rfc5424" | "rfc3164" = "rfc5424",
) {
  return (appname: string, message: string) => {
    const now = new Date(Date.now() + 1000 * ahead);
    const timestamp = formatTimestamp(now, format);
    return formatSyslog({ format, timestamp, hostname, appname, message });
  };
}

/** Sends a message over TCP, and waits until the server has read it all. */
async function deliver(frame: Uint8Array, address: Address) {
  await using connection = socket(AF_INET, SOCK_STREAM);
  await connection.connect(address);
  await connection.sendall(frame);
  await connection.shutdown(SHUT_WR);
  await connection.recv(1);
}

if (import.meta.main) {
  const help = "append each message to this file as JSON Lines";
  const flags = { file: { takes: "the path of a file", pattern: /./, help } };
  await experiment({ url: import.meta.url, port: 1514, flags, server, client });
}
