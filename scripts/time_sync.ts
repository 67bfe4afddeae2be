/**
 * Two clocks are compared over a network that takes its time: of the time that
 * the answer took, at most half can be wrong, so the quickest answer counts.
 *
 *     deno run --allow-net scripts/time_sync.ts
 *     bun scripts/time_sync.ts
 *     node scripts/time_sync.ts
 *
 * Both ends speak SNTP (RFC 5905), so that chrony can be either. `--skew 2500`
 * makes the server's clock wrong by so many ms. Ask a public server seldom:
 * it wants 15 s between two requests.
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
  bestFirst,
  clock,
  measure,
  pack,
  refusal,
  requestIn,
  type Sample,
  sampleText,
  shift,
} from "../lib/protocols/sntp.ts";
import { askTime } from "../lib/services/time_service.ts";

export async function server({ address, flags, print, ready, serve }: End) {
  // 1. Create a socket and bind it to the server's port.
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);
  ready(receiver);

  // 2. Receive each request, and note at once when it came. What is not one
  //    gets no answer.
  const now = () => clock() + Number(flags.skew ?? 0);
  let [answered, dropped] = [0, 0];
  for await (const [data, sender] of receiver) {
    const received = now();
    const request = requestIn(data);

    // 3. Send back the time in it, when it came, and when the answer goes.
    if (request) {
      await serve(sender, () => {
        const answer = answerTo(request, received, now());
        return receiver.sendto(pack(answer), sender);
      });
      answered++;
    } else dropped++;
  }
  print(`${answered} answered, ${dropped} dropped`);
  return { answered, dropped };
}

export async function client({ address, flags, print }: End) {
  // 1. Create a socket and connect it, so that only the server is heard.
  await using connection = socket(AF_INET, SOCK_DGRAM);
  await connection.connect(address);
  const waits = [500, 1000, 2000];

  // 2. Ask several times. Each answer makes a sample of four timestamps: sent
  //    here (T1), received and sent there (T2, T3), received here (T4).
  const samples: Sample[] = [];
  for (let left = Number(flags.samples ?? 8); left > 0; left--) {
    const [answer, arrival] = await askTime(connection, waits, (ms) => {
      print(`No answer in ${ms} ms`);
    });
    const reason = refusal(answer);
    if (reason) {
      print(`The server's time must not be used: ${reason}`);
      break;
    }
    const sample = measure(answer, arrival);
    if (sample) samples.push(sample);
    else print("A clock was set meanwhile: this answer does not count");
  }

  // 3. Keep the sample with the least delay.
  const sorted = bestFirst(samples);
  const [best, worst, answers] = [sorted[0], sorted.at(-1), sorted.length];
  if (!best || !worst) throw new SocketError("EPROTO", "recv", address);
  if (answers < samples.length) {
    print("The server's clock was set: earlier answers do not count");
  }
  print(`Slowest of ${answers}: ${sampleText(worst)}`);
  print(`Quickest of ${answers}: ${sampleText(best)}`);
  const bound = best.bound.toFixed(3);
  print(`Wrong by at most ${bound} ms: half the delay, and dispersion`);

  // 4. Tell the time: that of this machine, put right.
  const offset = best.offset - shift();
  const time = new Date(clock() + offset).toISOString();
  print(`It is ${time} by a stratum ${best.stratum} server`);
  return { ...best, offset, answers };
}

if (import.meta.main) {
  const [ms, count] = ["milliseconds, such as -2500", "1 to 999"];
  const help = "make the server's clock wrong by so many ms (0)";
  const skew = { takes: ms, pattern: /^-?\d{1,12}(\.\d+)?$/, help };
  const times = "ask so often (8)";
  const samples = { takes: count, pattern: /^[1-9]\d{0,2}$/, help: times };
  const flags = { skew, samples };
  await experiment({ url: import.meta.url, port: 1123, flags, server, client });
}
