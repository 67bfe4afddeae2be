/**
 * Besieges the server of an experiment: every attack there is, one after the
 * other and then once more, and an honest client after each.
 *
 *     bun tests/hostile/siege.ts [EXPERIMENT [RUNTIME]]
 *
 * prints one line of JSON a server: its faults (none, if all is well), what the
 * process used before and after each round, and the attacks of the last round
 * under which its memory grew most.
 */
import process from "node:process";
import { commandFor, type RuntimeName, RUNTIMES } from "../support/runtimes.ts";
import { type Figures, forgetPeak } from "../support/proc.ts";
import { ROOT } from "../support/scripts.ts";
import { type Attack, inTime, PATIENCE } from "./attack.ts";
import * as datagram from "./datagram_peers.ts";
import { EXCHANGES } from "./exchanges.ts";
import * as stream from "./stream_peers.ts";
import { Victim } from "./victim.ts";

/** What a siege has shown. */
export interface Result {
  faults: string[];
  figures: Figures[];
  /** How much the memory grew under each attack of the last round, in KiB. */
  grown: Record<string, number>;
}

/**
 * How much the memory may grow in the second round, in KiB. In the first, when
 * the runtime warms up, it is twice as much under one attack.
 */
const GROWTH = 32 * 1024;

/** A siege ends after so many ms. */
const LIMIT = 50_000;

/** Besieges the server of an experiment, or of another script like it. */
export async function besiege(
  name: string,
  runtime: RuntimeName,
  { rounds = 2, script = `scripts/${name}.ts`, patience = PATIENCE } = {},
): Promise<Result> {
  const command = commandFor(runtime, ["--allow-net"]);
  const args = [script, "server", "--port", "0"];
  const victim = new Victim([...command, ...args], { cwd: ROOT, patience });
  const { faults } = victim;
  const timer = setTimeout(() => {
    faults.push("the siege took too long");
    victim.kill(); // which ends it
  }, LIMIT);
  const result: Result = { faults, figures: [], grown: {} };
  try {
    const address = await inTime(victim.listening);
    if (!address) throw new Error("does not listen");
    const peers = peersOf(name, address);
    await expectServed(peers, "at first");
    result.figures.push(await victim.settled(() => false, 200));
    for (let round = 1; round <= rounds; round++) {
      result.figures.push(await runRound(round, peers, victim, result));
    }
    const code = await victim.stop();
    if (code !== 0) throw new Error(`ended with ${code}`);
  } catch (error) {
    faults.unshift((error as Error).message);
  } finally {
    victim.kill();
    clearTimeout(timer);
  }
  return result;
}

/** Makes every attack once; returns what the process uses afterwards. */
async function runRound(
  round: number,
  peers: Peers,
  victim: Victim,
  { figures: [before, first], grown }: Result,
): Promise<Figures> {
  const bound = first ? GROWTH : 2 * GROWTH;
  let peak = 0;
  const leave = await peers.linger();
  try {
    await expectServed(peers, `round ${round}, beside peers that stay`);
    let { resident } = victim.figures();
    for (const [name, act] of peers.attacks) {
      forgetPeak(victim.pid);
      await act().catch((error) => {
        throw new Error(`round ${round}, "${name}": ${error.message}`);
      });
      await expectServed(peers, `round ${round}, after "${name}"`);
      const now = victim.figures();
      peak = Math.max(peak, now.peak);
      grown[name] = now.peak - resident;
      if (now.peak >= resident + bound) {
        const became = `${resident} KiB became ${now.peak}`;
        victim.faults.push(`round ${round}, "${name}": ${became}`);
      }
      resident = now.resident;
    }
  } finally {
    await leave();
  }
  await expectServed(peers, `round ${round}, at the end`);

  // Closing and garbage collection take their time.
  const { descriptors } = before;
  const most = first ? first.resident + GROWTH : Infinity;
  const after = await victim.settled((now) =>
    now.descriptors <= descriptors && now.resident < most
  );
  if (after.descriptors > descriptors) {
    const became = `${descriptors} descriptors became ${after.descriptors}`;
    victim.faults.push(`round ${round}: ${became}`);
  }
  if (after.resident >= most) {
    victim.faults.push(`${first.resident} KiB became ${after.resident}`);
  }
  return { ...after, peak };
}

async function expectServed({ ask }: Peers, when: string): Promise<void> {
  const fault = await ask().catch(({ message }: Error) => message);
  if (fault) throw new Error(`${when}: ${fault}`);
}

/** The peers of one server. */
interface Peers {
  /** An honest client: returns undefined if it is served, else what is wrong. */
  ask(): Promise<string | undefined>;
  /** Peers that stay while others come and go; returns what makes them leave. */
  linger(): Promise<() => Promise<void>>;
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
