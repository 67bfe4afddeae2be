/**
 * Stands between workers and a server of job_schedule, and breaks connections.
 */
import { createConnection, createServer, type Socket } from "node:net";
import { type Job, parseJob } from "../../lib/protocols/jobs.ts";
import { realtime } from "../../lib/services/clock.ts";
import { openBoth } from "../../lib/services/open_both.ts";
import { serveTime } from "../../lib/services/time_service.ts";

/** What the first worker of a run said and was told. */
export interface Seen {
  readonly port: number;
  /** The lists that it got. */
  readonly lists: Job[][];
  /** Resolves when it has the first of them. */
  readonly listed: Promise<void>;
  /** The lines that it sent. */
  readonly lines: string[];
  close(): Promise<void>;
}

/** Which connection breaks, and for how long. */
export interface Cut {
  /** The first worker is cut off when it has its list, or reports a second job. */
  readonly at?: "list" | "report";
  /** It cannot connect again before this moment. */
  readonly back?: (jobs: Job[]) => number;
}

/** Passes everything on to the server with a port, and tells the time itself. */
export async function goBetween(
  port: () => number | Promise<number>,
  { at, back = () => 0 }: Cut = {},
): Promise<Seen> {
  const lists: Job[][] = [];
  const lines: string[] = [];
  const listed = Promise.withResolvers<void>();
  let broken = false;
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket, seen: (text: string) => void) => {
    sockets.add(from);
    from.on("data", (data) => {
      seen(String(data));
      if (!from.destroyed) to.write(data);
    });
    from.on("end", () => to.end()).on("error", () => to.destroy());
  };
  const meet = async (worker: Socket, request: string) => {
    const first = /-1\n$/.test(request);
    if (first && broken && realtime() < back(lists[0])) {
      return worker.resetAndDestroy();
    }
    const options = { port: await port(), allowHalfOpen: true };
    const server = createConnection(options);
    const reset = () => {
      broken = true;
      for (const end of [worker, server]) end.resetAndDestroy();
    };
    server.write(request);
    let list = "";
    pass(worker, server, (text) => {
      if (!first) return;
      lines.push(...text.trimEnd().split("\n"));
      if (at === "report" && !broken && text.includes("rotate")) reset();
    });
    pass(server, worker, (text) => {
      if (!first || list.endsWith("\n\n")) return;
      list += text;
      if (!list.endsWith("\n\n")) return;
      lists.push(list.trimEnd().split("\n").map((line) => parseJob(line)!));
      listed.resolve();
      if (at === "list" && !broken) setTimeout(reset, 50);
    });
  };
  const [listener, receiver] = await openBoth(["127.0.0.1", 0]);
  const own = Number(listener.getsockname()[1]);
  await listener.close();
  const middle = createServer({ allowHalfOpen: true }, (worker) => {
    worker.on("error", () => {});
    worker.once("data", (data) => meet(worker, String(data)));
  });
  await new Promise<void>((resolve) =>
    middle.listen(own, "127.0.0.1", resolve)
  );
  const serving = serveTime(receiver);
  const close = async () => {
    for (const one of sockets) one.destroy();
    middle.close();
    await receiver.close();
    await serving;
  };
  return { port: own, lists, listed: listed.promise, lines, close };
}
