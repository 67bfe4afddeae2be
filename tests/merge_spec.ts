/**
 * Two traces in one order: nothing before its cause, whatever the clocks say, and
 * nothing waits for ever for what does not come.
 */
import { describe, expect, test } from "bun:test";
import { InTime } from "../lib/observe/in_time.ts";
import { Merge, merge } from "../lib/observe/merge.ts";
import { textOf } from "../lib/observe/strace.ts";
import type { TracedCall } from "../lib/observe/traced.ts";
import { random } from "../lib/services/random.ts";
import { backwards, tracesIn } from "./support/causality.ts";
import { clientOn, command, nextTo, serverOn } from "./support/ends.ts";
import { run, RUNTIMES } from "./support/runtimes.ts";
import { alongside, testOn } from "./support/test_on.ts";

const TRACE = ["--trace", "--json"];

/** A run in one process: connections, their ends, datagrams, lost ones, names. */
const SCRIPTS = ["tcp_stream", "tcp_chat", "dns_lookup", "udp_datagrams"];
const traces = new Map<string, Promise<TracedCall[]>>();
function traceOf(script: string): Promise<TracedCall[]> {
  const trace = traces.get(script) ?? run(command(script, "bun", TRACE))
    .then(({ stdout }) => tracesIn(stdout));
  traces.set(script, trace);
  return trace;
}

function split(calls: TracedCall[]): [TracedCall[], TracedCall[]] {
  const of = (name: string) => calls.filter(({ end }) => end === name);
  return [of("server"), of("client")];
}

const linesOf = (calls: TracedCall[]) =>
  calls.map((call) => `${call.end} ${call.connection} ${textOf(call)}`);

describe("backwards()", () => {
  for (const script of SCRIPTS) {
    alongside(`finds each cause of ${script} that comes too late`, async () => {
      const calls = await traceOf(script);
      expect(backwards(calls)).toEqual([]);
      let found = 0;
      for (const [place, call] of calls.entries()) {
        if (!/^(connect|send|sendall|sendto)$/.test(call.call)) continue;
        // The call comes last, as if it had been noticed at the end only.
        const late = [...calls.toSpliced(place, 1), call];
        if (backwards(late).length > 0) found++;
        else expect(call.call).not.toBe("sendall");
      }
      expect(found).toBeGreaterThan(5);
    });
  }
});

describe("merge()", () => {
  for (const script of SCRIPTS) {
    alongside(`gives back the order of ${script} in one process`, async () => {
      const calls = await traceOf(script);
      expect(linesOf(merge(...split(calls)))).toEqual(linesOf(calls));
    });

    alongside(`draws no arrow of ${script} backwards`, async () => {
      const [server, client] = split(await traceOf(script));
      for (let seed = 0; seed < 10_000 / SCRIPTS.length; seed++) {
        const shift = 100 * random(seed, 0) - 50;
        const shifted = client.map((call) => ({
          ...call,
          at: call.at + shift,
        }));
        const merged = merge(server, shifted);
        if (seed % 10 === 0) {
          expect(split(merged).map(linesOf)).toEqual([
            linesOf(server),
            linesOf(client),
          ]);
        }
        const wrong = backwards(merged);
        if (wrong.length > 0) expect([seed, shift, wrong]).toEqual([]);
      }
    });
  }

  for (const runtime of RUNTIMES) {
    const other = nextTo(runtime);
    testOn(runtime, `merges real ends, ${runtime} and ${other}`, async () => {
      for (const script of ["tcp_stream", "dns_lookup"]) {
        const { port, stop } = await serverOn(script, runtime, TRACE);
        const client = tracesIn(await clientOn(script, other, port, TRACE));
        const server = tracesIn(await stop());
        const merged = merge(server, client);
        expect(merged).toHaveLength(server.length + client.length);
        expect(backwards(merged)).toEqual([]);
        const numbers = ["server", "client"].map((name) =>
          new Set(
            merged.flatMap(({ end, connection }) =>
              end === name && connection > 0 ? [connection] : []
            ),
          )
        );
        expect(numbers[0]).toEqual(numbers[1]);
      }
    });
  }
});

describe("Merge", () => {
  const ends = ["server", "client"] as const;

  for (const script of SCRIPTS) {
    alongside(`takes ${script} as its calls come`, async () => {
      const calls = await traceOf(script);
      for (let seed = 0; seed < 50; seed++) {
        const both = new Merge();
        const left = split(calls);
        const taken: TracedCall[] = [];
        for (let i = 0; left.some((some) => some.length > 0); i++) {
          const side = random(seed, i) < 0.5 ? 0 : 1;
          const some = left[side].splice(0, Math.ceil(3 * random(seed, -i)));
          for (const call of some) both.push(ends[side], call);
          if (left[side].length === 0) both.end(ends[side]);
          taken.push(...both.take());
        }
        expect(taken.map(linesOfOne).sort()).toEqual(
          calls.map(linesOfOne).sort(),
        );
        expect(backwards(taken)).toEqual([]);
      }
    });
  }

  test("does not wait for what cannot come", async () => {
    const [server, client] = split(await traceOf("tcp_stream"));
    for (const [one, other] of [[server, client], [client, server]]) {
      // A foreign peer, and a trace that is cut off.
      for (const rest of [[], other.slice(0, 3), other.slice(5)]) {
        expect(merge(one, rest)).toHaveLength(one.length + rest.length);
      }
    }
    const both = new Merge();
    const accept = server.find(({ call }) => call === "accept")!;
    both.push("server", accept);
    expect(both.take()).toEqual([]); // its client may be late
    both.end("client");
    expect(both.take()).toHaveLength(1);
  });

  test("does not wait for an end that stands before a call", async () => {
    const [server, client] = split(await traceOf("tcp_stream"));
    const accept = server.find(({ call }) => call === "accept")!;
    const connect = client.find(({ call }) => call === "connect")!;
    const held: TracedCall = { ...connect, result: undefined, held: true };
    const both = new Merge();
    both.push("client", held);
    both.push("server", { ...accept, peer: "('127.0.0.1', 1)" }); // of another
    expect(both.take()).toHaveLength(1);
    both.letGo("client");
    both.push("server", accept);
    expect(both.take()).toEqual([]);
    both.push("client", connect);
    const [first] = both.take();
    expect(first.call).toBe("connect");
  });

  test("lets lost and doubled datagrams pass", async () => {
    const [server, client] = split(await traceOf("udp_datagrams"));
    const receives = client.filter(({ call }) => call === "recv");
    for (const [i, receive] of receives.entries()) {
      const place = client.indexOf(receive);
      const doubled = client.toSpliced(place, 0, receive);
      const lost = client.toSpliced(place, 1);
      for (const calls of i < 3 ? [doubled, lost] : [doubled]) {
        const early = calls.map((call) => ({ ...call, at: call.at - 50 }));
        const merged = merge(server, early);
        expect(merged).toHaveLength(server.length + calls.length);
        expect(backwards(merged)).toEqual([]);
      }
    }
  });

  test("numbers the clients of a server of datagrams as they do", async () => {
    const calls = await traceOf("udp_datagrams");
    const other = (call: TracedCall) => ({ ...call, connection: 7 });
    const [server, client] = split(calls);
    const numbered = client.map((call) => call.connection ? other(call) : call);
    expect(linesOf(merge(server, numbered)))
      .toEqual(
        linesOf(calls.map((call) => call.connection ? other(call) : call)),
      );
  });

  test("lets a call whose cause is nowhere go before its followers", () => {
    const call: TracedCall = {
      ...{ time: 0, at: 0, end: "client", connection: 1, socket: 1 },
      ...{ descriptor: 3, call: "accept", args: [], result: "4" },
      ...{ name: "('127.0.0.1', 40000)", peer: "('192.0.2.1', 8000)", made: 4 },
    };
    const local = { ...call, peer: "('127.0.0.1', 50000)", descriptor: 5 };
    const names = { name: local.peer, peer: local.name };
    const connect: TracedCall = { ...local, call: "connect", ...names };
    const listen: TracedCall = { ...local, call: "listen", end: "server" };
    const both = new Merge(); // neither has ended
    for (const one of [{ ...local, at: -9 }, listen]) both.push("server", one);
    for (const one of [call, connect]) both.push("client", one);
    expect(both.take().map(({ call, peer }) => [call, peer])).toEqual([
      ["accept", call.peer],
      ["accept", local.peer],
      ["listen", local.peer],
      ["connect", connect.peer],
    ]);
  });

  test("passes over calls that are not done, and keeps numbers", () => {
    const both = new Merge();
    const call: TracedCall = {
      ...{ time: 0, at: 0, end: "client", connection: 7, socket: 1 },
      ...{ descriptor: 3, call: "connect", args: [], result: "0" },
      ...{ name: "('127.0.0.1', 40000)", peer: "('127.0.0.1', 8000)" },
    };
    both.push("client", { ...call, begins: true });
    both.push("client", { ...call, held: true });
    expect(both.take()).toEqual([]);
    const port = { name: "('0.0.0.0', 8000)", connection: 0 };
    const listener = { ...call, end: "server" as const, ...port };
    both.push("client", call);
    expect(both.take()).toEqual([]);
    both.push("server", { ...listener, call: "listen", at: 9 });
    both.push("server", {
      ...{ ...listener, call: "accept", made: 4, at: -9, connection: 1 },
      peer: "('::ffff:127.0.0.1', 40000)".replace("::ffff:", ""),
    });
    both.push("server", {
      ...{ ...listener, call: "sendall", descriptor: 4, bytes: 1 },
      connection: 1,
    });
    expect(both.take().map(({ call, connection }) => [call, connection]))
      .toEqual([["listen", 0], ["connect", 7], ["accept", 7], ["sendall", 7]]);
  });
});

function linesOfOne(call: TracedCall): string {
  return linesOf([call])[0].replace(/ \d+ /, " ");
}

describe("InTime", () => {
  test("does in the order of the clocks what comes late", async () => {
    const [did, inTime] = [[] as string[], new InTime()];
    const say = (end: "server" | "client", name: string, at?: number) =>
      inTime.push(end, () => did.push(name), at);
    const now = Date.now();
    say("client", "c2", now + 2);
    say("client", "c's line");
    say("client", "c1, which was later to end", now + 1);
    say("server", "s1", now + 1);
    say("server", "s3", now + 3);
    expect(did).toEqual([]);
    while (did.length < 5) await Bun.sleep(5);
    const client = ["c2", "c's line", "c1, which was later to end"];
    expect(did).toEqual(["s1", ...client, "s3"]);
  });

  test("keeps nothing for long, even in a flood, and nothing at the end", () => {
    const [did, inTime] = [[] as number[], new InTime()];
    const far = Date.now() + 1e6;
    for (let i = 0; i < 1000; i++) {
      inTime.push("server", () => did.push(i), far);
      expect(i - did.length).toBeLessThan(250);
    }
    inTime.flush();
    expect(did).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });
});
