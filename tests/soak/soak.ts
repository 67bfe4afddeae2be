/**
 * Mixed traffic with faults in it: a server on each runtime, clients on all of
 * them, and at the end every byte is accounted for.
 *
 *     deno task soak [--runtimes deno,bun] [--seconds N] [--seed N]
 *     bun tests/soak/soak.ts
 *     node tests/soak/soak.ts
 */
import process from "node:process";
import {
  listOf,
  readFlags,
  UsageError,
  wholeNumber,
} from "../../lib/experiment/flags.ts";
import { guardOutput } from "../../lib/process/process.ts";
import { supervise } from "../../scripts/tools/support/processes.ts";
import {
  clearProgress,
  showProgress,
} from "../../scripts/tools/support/progress_line.ts";
import { find, type Runtime } from "../../scripts/tools/support/runtimes.ts";
import { DOOMED, firstNumber } from "./scenario.ts";
import { type Request, soak } from "./supervisor.ts";
import { table } from "./table.ts";

const RUNTIMES = ["deno", "bun", "node"] as const;

const HELP = `Is every byte accounted for, whatever goes wrong?

  deno task soak [flags]        (bun, node: tests/soak/soak.ts)

Each runtime's server has clients of all runtimes, with small
exchanges, long streams both ways at once, half-closed streams and
datagrams, over TCP, UDP and AF_UNIX. Clients reset, are killed,
stall, leave in the middle, leave data unread, read slowly, send
garbage, or interrupt their calls. The listener is closed and opened
again, and at last the server is stopped with exchanges in hand.

  --runtimes LIST   servers of deno,bun,node (all that are found)
  --clients LIST    and clients of these (all that are found)
  --seconds N       of traffic, in at least two rounds (60)
  --seed N          what each connection does follows from it (1)
  --connection N    make only this connection, again and again
  --json            one JSON object a line and server
  --help            print this

The exit code is 1 if anything is not accounted for.`;

async function main(args: string[]): Promise<number> {
  try {
    return await supervise(async () => await run(args) ? 0 : 1);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  } finally {
    clearProgress();
  }
}

/** Soaks all servers side by side; returns whether all is accounted for. */
async function run(args: string[]): Promise<boolean> {
  const { values } = readFlags(args, {
    runtimes: { type: "string" },
    clients: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    connection: { type: "string" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const servers = listOf("runtimes", values.runtimes, RUNTIMES);
  const clients = listOf("clients", values.clients, RUNTIMES);
  const most = firstNumber(DOOMED) - 1;
  const request = {
    seconds: wholeNumber("seconds", values.seconds, 1, 86_400) ?? 60,
    seed: wholeNumber("seed", values.seed, 0, 999_999_999) ?? 1,
    only: wholeNumber("connection", values.connection, 0, most),
  };
  const wanted = RUNTIMES.filter((name) =>
    [...servers, ...clients].includes(name)
  );
  const found = await Promise.all(wanted.map(find));
  for (const one of found) if ("reason" in one) console.error(one.reason);
  const of = (names: string[]) =>
    found.filter((one): one is Runtime =>
      "path" in one && names.includes(one.name)
    );
  if (of(servers).length === 0) console.error("There is no server to soak");
  if (of(clients).length === 0) {
    throw new UsageError("There is no client to soak with");
  }
  const all = of(servers).map((server) => ({
    ...request,
    ...{ server, clients: of(clients) },
  }));
  return await soakAll(all, values.json ?? false);
}

async function soakAll(requests: Omit<Request, "told">[], json: boolean) {
  const far = new Map<string, string>();
  const results = await Promise.all(requests.map(async (request) => {
    const told = (text: string) => {
      far.set(request.server.name, text);
      showProgress([...far].map((one) => one.join(": ")).join(", "));
    };
    const result = await soak({ ...request, told });
    clearProgress();
    console.log(json ? JSON.stringify(result) : `${table(result)}\n`);
    return result;
  }));
  return results.every(({ complaints }) => complaints.length === 0);
}

if (import.meta.main) {
  guardOutput();
  process.exitCode = await main(process.argv.slice(2));
}
