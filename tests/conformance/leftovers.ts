/**
 * Finds what a case has left open. A socket or a timer keeps its process alive,
 * and at the end of a run nothing can say any more whose it is.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { socketDescriptors } from "./fixtures.ts";

const timers = new Map<unknown, number>();

/** Counts the timers of this process from now on, which are the library's. */
export function watchTimers(): void {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const counted = (call: () => void, ms = 0) => {
    const timer = set(() => {
      timers.delete(timer);
      call();
    }, ms);
    timers.set(timer, ms);
    return timer;
  };
  globalThis.setTimeout = counted as typeof setTimeout;
  globalThis.clearTimeout = (timer?: unknown) => {
    timers.delete(timer);
    clear(timer as number);
  };
}

/** What is open now: timers, and sockets of any kind. */
export function openNow(): string[] {
  const running = [...timers.values()].map((ms) => `a timer of ${ms} ms`);
  return [...running, ...openSockets()];
}

/** What is open and was not before; gives what has ended some time to close. */
export async function leftOpen(before: string[]): Promise<string[]> {
  for (let ms = 1;; ms *= 2) {
    const left = openNow();
    for (const one of before) {
      const at = left.indexOf(one);
      if (at >= 0) left.splice(at, 1);
    }
    if (left.length === 0 || ms > 1000) return left;
    await delay(ms);
  }
}

function openSockets(): string[] {
  return "Deno" in globalThis ? resourcesOfDeno() : socketDescriptors();
}

/**
 * Deno allows /proc with --allow-all only. It has two lists: of its own
 * resources, which `Deno.test` looks at too, and of those of its node:net.
 */
function resourcesOfDeno(): string[] {
  const internal = Reflect.get(Deno, "internal") as symbol;
  const { core } = Reflect.get(Deno, internal) as {
    core: { resources(): Record<string, string> };
  };
  const own = Object.entries(core.resources())
    .map(([id, name]) => `${name} ${id}`)
    .filter((resource) => !/^std/.test(resource));
  const borrowed = process.getActiveResourcesInfo()
    .filter((name) => /Wrap$/.test(name));
  return [...own, ...borrowed];
}
