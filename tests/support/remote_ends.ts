/**
 * Experiments with an end on each of two hosts, and what their headers promise
 * there: the same lines as on one machine, with other addresses.
 */
import { readFileSync } from "node:fs";
import { difference, readHeader } from "../../scripts/tools/support/header.ts";
import { commandFor, type Finished, type RuntimeName } from "./runtimes.ts";
import { GUIDED, ROOT, SCRIPTS } from "./scripts.ts";
import { BROADCAST, HOSTS, type Network, twoHosts } from "./two_hosts.ts";

/** The experiments that go over a network: AF_UNIX is for one machine. */
export const REMOTE = SCRIPTS
  .filter((name) => !GUIDED.includes(name) && name !== "unix_echo.ts")
  .map((name) => name.slice(0, -3));

/** An experiment, and the runtime of each end. */
interface Ends {
  script: string;
  client: RuntimeName;
  server: RuntimeName;
  flags?: string[];
  network: Network;
  /** What the client sent last may reach the server after the client's end. */
  calm?: boolean;
}

/** How both ends ended. */
interface Ended {
  client: Finished;
  server: Finished;
}

/** Runs both ends; the client is killed after `limit` ms. */
export async function runApart(ends: Ends, limit = 60_000): Promise<Ended> {
  const { script, client, server, flags = [], network, calm } = ends;
  const permissions = ["--allow-net", "--allow-sys=hostname"];
  const command = (runtime: RuntimeName, role: string, host: string) => [
    ...commandFor(runtime, permissions),
    ...[`${ROOT}scripts/${script}.ts`, role, "--host", host],
  ];
  const all = script === "udp_broadcast";
  const [own, to] = all ? ["0.0.0.0", BROADCAST] : [HOSTS.server, HOSTS.server];
  await using hosts = await twoHosts(network);
  const serving = hosts.start("server", command(server, "server", own), {
    limit: limit + 60_000,
  });
  await serving.said(/Listening on /);
  const asking = [...command(client, "client", to), ...flags];
  const asked = await hosts.start("client", asking, { limit }).finished;
  if (calm) await hosts.quiet();
  serving.kill("SIGINT");
  return { client: asked, server: await serving.finished };
}

/** What `names` prints of a client from another host. */
const FOUND = `server: "${HOSTS.server}" has sent me a client`;

/**
 * How what both ends printed differs from the header, but for the lines that
 * `also` matches: those depend on the network.
 */
export function unlikeHeader(
  script: string,
  { client, server }: Ended,
  also: RegExp,
): string | null {
  const source = readFileSync(`${ROOT}scripts/${script}.ts`, "utf8");
  const expected = readHeader(source).output.filter((line) =>
    !also.test(line.replace(/^\w+: /, ""))
  ).map((line) =>
    line
      // From another machine fewer samples are taken.
      .replace(/(?<=est of )8/, "4").replace("8 answered", "<8> answered")
      // Deno's refusal of a broadcast has another name: deviations.ts.
      .replace(/: EACCES$/, ": <EACCES|ENETUNREACH>")
      .replace("<was full|is longer on this runtime>", "is unseen from here")
      .replace(/(?<=^client: .*\(')127\.255\.255\.255/, BROADCAST)
      .replace(/(?<=^client: (?:To|From) \(')127\.0\.0\.1/, HOSTS.server)
      .replaceAll("127.0.0.1", script === "names" ? "127.0.0.1" : HOSTS.client)
  ).filter((line) => !/has sent me a client$/.test(line));
  const lines = (end: string, { stdout }: Finished) =>
    stdout.split("\n").filter((line) => line !== "" && !also.test(line))
      // A clock is set within some ms only: what is late may seem to be early.
      .map((line) => `${end}: ${line.replace(/ -(?=\d+\.\d\.\.)/, " ")}`);
  if (script === "names") expected.push(FOUND);
  return difference(expected, [
    ...lines("client", client),
    ...lines("server", server),
  ]);
}
