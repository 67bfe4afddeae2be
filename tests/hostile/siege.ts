/**
 * Besieges the server of an experiment: every hostile peer there is, one after
 * the other and then once more, and an honest client after each.
 *
 *     bun tests/hostile/siege.ts [EXPERIMENT [RUNTIME]]
 *
 * prints for each server, on a line of JSON, its faults (none, if it is as it
 * should be), what the process took before, and after each round, and by how
 * much it grew in those attacks of the second round that cost most.
 */
import process from "node:process";
import { commandFor, type RuntimeName, RUNTIMES } from "../support/runtimes.ts";
import { type Figures, forgetPeak } from "../support/proc.ts";
import { ROOT } from "../support/scripts.ts";
import { type Attack, inTime } from "./attack.ts";
import * as datagram from "./datagram_peers.ts";
import { EXCHANGES } from "./exchanges.ts";
import * as stream from "./stream_peers.ts";
import { Victim } from "./victim.ts";

/** What a siege has shown. */
export interface Result {
  faults: string[];
  figures: Figures[];
  /** By how much each attack of the second round made the memory grow, in KiB. */
  grown: Record<string, number>;
}

/**
 * By so much the memory may grow in the second round, in KiB; in the first,
 * while the runtime warms up, under one attack by twice as much.
 */
const GROWTH = 32 * 1024;

/** After so long, in ms, a siege is broken off. */
const LONGEST = 50_000;

export async function besiege(
  name: string,
  runtime: RuntimeName,
): Promise<Result> {
  const command = commandFor(runtime, ["--allow-net"]);
  const script = [`scripts/${name}.ts`, "server", "--port", "0"];
  const victim = new Victim([...command, ...script], ROOT);
  // Then nobody is served any more, and the siege is over.
  const timer = setTimeout(() => {
    victim.faults.push("broken off");
    victim.kill();
  }, LONGEST);
  const figures: Figures[] = [];
  const grown: Record<string, number> = {};
  try {
    const address = await inTime(victim.listening);
    if (!address) throw new Error("does not listen");
    const peers = peersOf(name, address);
    await serve(peers, "at first");
    figures.push(await victim.settled(() => false, 200));
    for (const round of ["first", "second"]) {
      figures.push(await play(peers, victim, round, figures, grown));
    }
    const code = await victim.stop();
    if (code !== 0) throw new Error(`ended with ${code}`);
  } catch (error) {
    victim.faults.unshift((error as Error).message);
  } finally {
    victim.kill();
    clearTimeout(timer);
  }
  return { faults: victim.faults, figures, grown };
}

/** Every attack once; gives what the process takes afterwards. */
async function play(
  peers: Peers,
  victim: Victim,
  round: string,
  [before, first]: Figures[],
  grown: Record<string, number>,
): Promise<Figures> {
  const bound = first ? GROWTH : 2 * GROWTH;
  let peak = 0;
  const leave = await peers.linger();
  try {
    await serve(peers, `${round} round, beside those that stay`);
    let { resident } = victim.figures();
    for (const [name, act] of peers.attacks) {
      forgetPeak(victim.pid);
      await act().catch((error) => {
        throw new Error(`${round} round, "${name}": ${error.message}`);
      });
      await serve(peers, `${round} round, after "${name}"`);
      const now = victim.figures();
      peak = Math.max(peak, now.peak);
      grown[name] = now.peak - resident;
      if (now.peak >= resident + bound) {
        victim.faults.push(
          `${round} round, "${name}": ${resident} kB became ${now.peak}`,
        );
      }
      resident = now.resident;
    }
  } finally {
    await leave();
  }
  await serve(peers, `${round} round, at the end`);

  // What is closed, and what is garbage, goes in its own time.
  const { descriptors } = before;
  const most = first ? first.resident + GROWTH : Infinity;
  const after = await victim.settled((now) =>
    now.descriptors <= descriptors && now.resident < most
  );
  if (after.descriptors > descriptors) {
    victim.faults.push(
      `${round} round: ${descriptors} descriptors became ${after.descriptors}`,
    );
  }
  if (after.resident >= most) {
    victim.faults.push(`${first.resident} kB became ${after.resident}`);
  }
  return { ...after, peak };
}

/** An honest client is served. */
async function serve({ ask }: Peers, when: string): Promise<void> {
  const fault = await ask().catch(({ message }: Error) => message);
  if (fault) throw new Error(`${when}: ${fault}`);
}

/** What the peers of a server do. */
interface Peers {
  /** An honest client: undefined if it was served, else what went wrong. */
  ask(): Promise<string | undefined>;
  /** Some stay while the others come and go; gives what makes them leave. */
  linger(): Promise<() => Promise<void>>;
  /** Names, and what is done; each resolves when that is over. */
  attacks: Attack[];
}

function peersOf(name: string, address: string): Peers {
  const exchange = EXCHANGES[name];
  if (exchange.kind === "datagram") {
    const port = Number(address);
    return {
      ask: () => datagram.ask(port, exchange),
      linger: () => Promise.resolve(() => Promise.resolve()),
      attacks: datagram.attacks(port, exchange),
    };
  }
  const target = address.startsWith("\0")
    ? { path: address }
    : { host: "127.0.0.1", port: Number(address) };
  const { datagrams } = exchange;
  const port = Number(address);
  return {
    ask: async () =>
      await stream.ask(target, exchange) ??
        (datagrams && datagram.ask(port, datagrams)),
    linger: () => stream.linger(target, exchange),
    attacks: [
      ...stream.attacks(target, exchange),
      ...datagrams ? datagram.attacks(port, datagrams) : [],
    ],
  };
}

if (import.meta.main) {
  const [name, runtime] = process.argv.slice(2);
  for (const each of name ? [name] : Object.keys(EXCHANGES)) {
    const runtimes = runtime ? [runtime as RuntimeName] : RUNTIMES;
    await Promise.all(runtimes.map(async (runtime) => {
      const start = performance.now();
      const result = await besiege(each, runtime);
      const ms = Math.round(performance.now() - start);
      const grown = Object.fromEntries(
        Object.entries(result.grown).sort(([, a], [, b]) => b - a).slice(0, 3),
      );
      const shown = { name: each, runtime, ms, ...result, grown };
      console.log(JSON.stringify(shown));
    }));
  }
}
