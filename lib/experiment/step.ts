/**
 * Holds each socket call of an experiment until the reader lets it go: with Enter,
 * or with a line on standard input. Loaded only for `--step`.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { PendingCall } from "../observe/call_order.ts";
import { exit, onStop } from "../process/process.ts";
import { interactive, stopTyped, typed } from "../process/terminal.ts";
import { DatagramSocket } from "../sockets/datagram_socket.ts";
import { StreamSocket } from "../sockets/stream_socket.ts";
import {
  type Experiment,
  limits,
  type Settings,
  type Stepper,
} from "./settings.ts";

type Name = "server" | "client";

/** What an end does next: a call, or a line that it has printed. */
interface Step {
  readonly call?: PendingCall;
  go(): void;
  /** It has been done, and is to be shown. */
  readonly made: boolean;
}

/** What holds the calls of an experiment. A client has no terminal then. */
export function stepThrough(
  experiment: Experiment,
  { role, timeout, clients = 1 }: Settings,
): Stepper {
  /** In which end the program is: both may run in this process. */
  const inEnd = new AsyncLocalStorage<Name>();
  /** The first call of each is shown, and held. */
  const steps: Record<Name, Step[]> = { server: [], client: [] };
  /** How many further calls of each may be made. */
  const allowed = { server: 0, client: 0 };
  /** The ends that stand before a call, from the one that came there first. */
  const standing: Name[] = [];
  let listeners: readonly unknown[] = [];
  let [served, over, reading] = [0, false, false];
  let changed = Promise.withResolvers<void>();
  stopClocks(timeout);
  // As any process without a handler: 128 + SIGINT.
  if (role === "server") onStop(() => standing.length > 0 && exit(130));

  /** Goes on to the next call of an end that is not allowed yet. */
  function advance(end: Name): void {
    for (let next; (next = steps[end][0]);) {
      if (next.call && allowed[end] === 0) {
        standing.push(end);
        stepper.show(next.call);
        if (!reading) readOrders();
        break;
      }
      if (next.call) allowed[end]--;
      steps[end].shift();
      next.go();
    }
    changed.resolve();
    changed = Promise.withResolvers();
  }

  /** Lets the end make its next call; now, if it stands before one. */
  function allow(end: Name, calls = 1): void {
    allowed[end] += calls;
    const place = standing.indexOf(end);
    if (place < 0) return;
    standing.splice(place, 1);
    advance(end);
  }

  async function readOrders(): Promise<void> {
    reading = true;
    if (interactive()) console.error(ORDERS);
    try {
      let rest = "";
      for await (const bytes of typed()) {
        const lines = (rest + new TextDecoder().decode(bytes)).split("\n");
        rest = lines.pop()!.slice(-100);
        for (const line of lines) {
          while (standing.length === 0) await changed.promise;
          obey(line.trim());
        }
      }
    } catch {
      // it cannot be read, or has been stopped
    }
    limits.quiet = quiet; // nobody holds this end any more
    for (const end of ENDS) allow(end, Infinity);
  }

  function obey(line: string): void {
    const [order, name, run] = line.match(ORDER) ?? [];
    if (order === undefined) return console.error(ORDERS);
    const named = ENDS.filter((end) => name ? end === name : run);
    for (const end of name || run ? named : standing.slice(0, 1)) {
      allow(end, run ? Infinity : 1);
    }
  }

  /** The runner has stopped the server: its listeners are closed. */
  function letListenersGo(): void {
    over = true;
    const waiting = steps.server.filter(isOnListener);
    if (waiting.length === 0) return;
    const [first] = steps.server;
    steps.server = steps.server.filter((step) => !isOnListener(step));
    for (const step of waiting) step.go();
    if (steps.server[0] === first) return;
    standing.splice(standing.indexOf("server"), 1);
    advance("server");
  }

  function isOnListener({ call }: Pick<Step, "call">): boolean {
    return listeners.includes(call?.on);
  }

  const stepper: Stepper = {
    experiment: {
      ...experiment,
      server: (end) =>
        inEnd.run("server", () =>
          experiment.server({
            ...end,
            ready(...sockets) {
              listeners = sockets;
              end.ready(...sockets);
            },
          })),
      // Standard input has the orders.
      async client({ terminal: _, ...end }) {
        try {
          return await inEnd.run("client", () => experiment.client(end));
        } finally {
          if (++served === clients) setTimeout(letListenersGo);
        }
      },
    },
    whose: () => inEnd.getStore() ?? (role === "both" ? undefined : role),
    gate(call, go, made) {
      const end = stepper.whose() ?? call.info?.end ?? "server";
      if (over && isOnListener({ call })) return go();
      if (steps[end].push({ call, go, made }) === 1) advance(end);
    },
    line(end, go) {
      // What other clients of this end do does not concern it.
      const last = steps[end].findLastIndex(({ made }) => made);
      if (last < 0) go();
      else steps[end].splice(last + 1, 0, { go, made: true });
    },
    show() {},
    async settled() {
      const left = () =>
        ENDS.some((end) => steps[end].some(({ made }) => made));
      while (left()) await changed.promise;
      if (reading) stopTyped();
    },
  };
  return stepper;
}

/**
 * Lets nothing be late while a reader thinks, unless a time limit was asked for:
 * all limits become the longest there is.
 */
function stopClocks(timeout: number | undefined): void {
  for (const name of ["idle", "hold", "grace", "hang"] as const) {
    limits[name] = LONGEST;
  }
  limits.quiet = LONGEST / 2; // a pause is added
  if (timeout !== undefined) return;
  for (const { prototype } of [StreamSocket, DatagramSocket]) {
    const { settimeout } = prototype;
    prototype.settimeout = function (ms) {
      // What it must not be still fails.
      settimeout.call(this as never, ms && Math.max(ms, LONGEST));
    };
  }
  AbortSignal.timeout = () => new AbortController().signal;
}

const ENDS = ["server", "client"] as const;
const ORDER = /^(?:(server|client)\b)? *(run)?$/;
const ORDERS =
  `Enter makes the call; "run" lets all go; with both ends, "server" ` +
  `or "client" names one`;
/** Of a timer, in ms: 24 days. */
const LONGEST = 2 ** 31 - 1;
const { quiet } = limits;
