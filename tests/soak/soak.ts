/**
 * Mixed traffic with faults in it: a server on each runtime, clients on all of
 * them, and at the end every byte is accounted for.
 *
 *     deno task soak [--runtimes deno,bun] [--seconds N] [--seed N]
 *     bun scripts/tools/soak.ts
 *     node scripts/tools/soak.ts
 */
import process from "node:process";
import { ignoreBrokenPipe } from "../../lib/experiment/process.ts";
import {
  listOf,
  readFlags,
  Refusal,
} from "../../scripts/tools/support/flags.ts";
import {
  endAll,
  endAllAtSignals,
  Stopped,
} from "../../scripts/tools/support/processes.ts";
import { find, type Runtime } from "../../scripts/tools/support/runtimes.ts";
import {
  clearProgress,
  showProgress,
} from "../../scripts/tools/support/progress_line.ts";
import { DOOMED, firstNumber } from "./plan.ts";
import { table } from "./table.ts";
import { type Request, soak } from "./trial.ts";

const RUNTIMES = ["deno", "bun", "node"] as const;

const HELP = `Is every byte accounted for, whatever goes wrong?

  deno task soak [flags]        (bun, node: scripts/tools/soak.ts)

Each runtime's server has clients of all runtimes, with small
exchanges, long streams both ways at once, half-closed streams and
datagrams, over TCP, UDP and AF_UNIX. Clients reset, are killed,
stall, leave in the middle, leave data unread, read slowly, send
garbage, or cut their waits short. The listener is closed and opened
again, and at last the server is stopped with exchanges in hand.

  --runtimes LIST   servers of deno,bun,node (all that are found)
  --clients LIST    and clients of these (all that are found)
  --seconds N       of traffic, in at least two rounds (60)
  --seed N          what each connection does follows from it (1)
  --connection N    make only this connection, again and again
  --json            one JSON object a line and server
  --help            print this

The exit code is 1 if anything is not accounted for.`;

interface Settings {
  servers: string[];
  clients: string[];
  request: Omit<Request, "told">;
  json: boolean;
}

async function main(args: string[]): Promise<number> {
  const stoppedAs = endAllAtSignals();
  try {
    if (args.includes("--help")) {
      console.log(HELP);
      return 0;
    }
    return await run(settingsOf(args)) ? 0 : 1;
  } catch (error) {
    clearProgress();
    if (error instanceof Stopped) return stoppedAs();
    if (!(error instanceof Refusal)) throw error;
    console.error(error.message);
    return 2;
  } finally {
    await endAll();
  }
}

/** Soaks all servers side by side; says whether all is accounted for. */
async function run(
  { servers, clients, request, json }: Settings,
): Promise<boolean> {
  const wanted = RUNTIMES.filter((name) =>
    servers.includes(name) || clients.includes(name)
  );
  const found = await Promise.all(wanted.map(find));
  for (const one of found) if ("reason" in one) console.error(one.reason);
  const of = (names: string[]) =>
    found.filter((one): one is Runtime =>
      "path" in one && names.includes(one.name)
    );
  const serving = of(servers);
  const asking = of(clients);
  if (serving.length === 0) console.error("There is no server to soak");
  if (asking.length === 0) throw new Refusal("There is no client to soak with");
  const far = new Map<string, string>();
  const results = await Promise.all(serving.map(async (server) => {
    const told = (text: string) => {
      far.set(server.name, text);
      showProgress([...far].map((one) => one.join(": ")).join(", "));
    };
    const result = await soak(server, asking, { ...request, told });
    clearProgress();
    console.log(json ? JSON.stringify(result) : `${table(result)}\n`);
    return result;
  }));
  return results.every(({ complaints }) => complaints.length === 0);
}

function settingsOf(args: string[]): Settings {
  const values = readFlags(args, {
    runtimes: { type: "string" },
    clients: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    connection: { type: "string" },
    json: { type: "boolean" },
  });
  const whole = (flag: string, value: string, least: number, most: number) => {
    const number = /^\d+$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new Refusal(`--${flag} takes a number from ${least} to ${most}`);
  };
  const { seconds = "60", seed = "1", connection } = values;
  return {
    servers: listOf("runtimes", values.runtimes, [...RUNTIMES]),
    clients: listOf("clients", values.clients, [...RUNTIMES]),
    request: {
      seconds: whole("seconds", seconds, 1, 86_400),
      seed: whole("seed", seed, 0, 999_999_999),
      only: connection === undefined
        ? undefined
        : whole("connection", connection, 0, firstNumber(DOOMED) - 1),
    },
    json: values.json ?? false,
  };
}

if (import.meta.main) {
  ignoreBrokenPipe();
  process.exitCode = await main(process.argv.slice(2));
}
