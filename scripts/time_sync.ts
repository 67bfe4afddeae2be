/**
 * Time synchronization with SNTP: two clocks are compared over a network with
 * delay. At most half of the round trip can be error, so the sample with the
 * least delay is the best.
 *
 * Aim: To measure how far two clocks differ, and how certain that is.
 *
 *     deno run --allow-net scripts/time_sync.ts
 *     bun scripts/time_sync.ts
 *     node scripts/time_sync.ts
 *
 * Both ends speak SNTP (RFC 4330), so chrony can replace either. `--skew 2500`
 * sets the server's clock wrong by so many ms. Requests to another machine are
 * 15 s apart, as public servers want it; by default there are four then.
 *
 * Output:
 *
 *     client: Slowest of 8: delay <0.873>, offset <+0.112> ms
 *     client: Quickest of 8: delay <0.126>, offset <+0.004> ms
 *     client: Wrong by at most <1.065> ms: half the delay, and dispersion
 *     client: It is <2026-11-20T18:55:12.345Z> by a stratum 10 server
 *     server: 8 answered, 0 dropped
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import {
  answerTo,
  clockFilter,
  measure,
  pack,
  requestIn,
  type Sample,
  unusableReason,
} from "../lib/protocols/sntp.ts";
import { PRECISION, realtime, realtimeOffset } from "../lib/services/clock.ts";
import { MILLISECONDS, UP_TO_999 } from "../lib/services/flag_values.ts";
import { pauseAfter } from "../lib/services/request_spacing.ts";
import { formatSample, queryTime } from "../lib/services/time_service.ts";

export async function server(end: End) {
  const { address, flags, print, ready, serve, done } = end;
  // 1. Create a socket and bind it to the server's port.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive each datagram, and read the clock at once (T2). A datagram that
  //    is not a request gets no reply.
  const now = () => realtime() + Number(flags.skew ?? 0);
  let [answered, dropped] = [0, 0];
  for await (const [data, sender] of receiver) {
    const received = now();
    const request = requestIn(data);

    // 3. Reply with T1 of the request, T2, and the time of the reply (T3).
    //    ntpd asks from the server's own port. A request replies to nothing, so
    //    two servers cannot answer each other for ever.
    if (request) {
      const answer = async () => {
        const reply = answerTo(request, received, now(), PRECISION);
        await receiver.sendto(pack(reply), sender);
        answered++;
      };
      await serve(sender, answer, { anyPort: true, pause: pauseAfter(sender) });
    } else dropped++;
  }
  await done();
  print(`${answered} answered, ${dropped} dropped`);
  return { answered, dropped };
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket and connect it, so that it receives datagrams of the
  //    server only.
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(address);
  const query = { waits: [500, 1000, 2000], print, server: address };

  // 2. Send several requests, each when the reply to the last one has come. Four
  //    timestamps make a sample: request sent (T1) and received (T2), reply
  //    sent (T3) and received (T4).
  const usual = pauseAfter(address) > 0 ? 4 : 8;
  const samples: Sample[] = [];
  let answered = 0;
  try {
    for (; answered < Number(flags.samples ?? usual); answered++) {
      const [reply, arrival] = await queryTime(connection, query);
      const reason = unusableReason(reply);
      if (reason) {
        print(`The server's time must not be used: ${reason}`);
        break;
      }
      const sample = measure(reply, { arrival, precision: PRECISION });
      if (sample) samples.push(sample);
      else print("A clock was set meanwhile: this answer does not count");
    }
  } catch (error) {
    // A network that fails later takes nothing away from the answers before.
    if (answered === 0 || !(error instanceof SocketError)) throw error;
    print(`${error.message}, after ${answered} answers`);
  }

  // 3. Keep the sample with the least delay.
  const sorted = clockFilter(samples);
  const [best, worst, answers] = [sorted[0], sorted.at(-1), sorted.length];
  if (!best || !worst) throw new SocketError("EPROTO", "recv", address);
  if (answers < samples.length) {
    print("The server's clock was set: earlier answers do not count");
  }
  print(`Slowest of ${answers}: ${formatSample(worst)}`);
  print(`Quickest of ${answers}: ${formatSample(best)}`);
  const bound = best.bound.toFixed(3);
  print(`Wrong by at most ${bound} ms: half the delay, and dispersion`);

  // 4. Print the time: that of this machine, corrected by the offset.
  const offset = best.offset - realtimeOffset();
  const time = new Date(realtime() + offset).toISOString();
  print(`It is ${time} by a stratum ${best.stratum} server`);
  return { ...best, offset, answers };
}

if (import.meta.main) {
  const help = "set the server's clock wrong by so many ms (0)";
  const skew = { ...MILLISECONDS, help };
  const samples = {
    ...UP_TO_999,
    help: "take so many samples (8, elsewhere 4)",
  };
  const flags = { skew, samples };
  const { url } = import.meta;
  await experiment({ url, port: 1123, clock: true, flags, server, client });
}
