/**
 * The machine's two clocks (clock_gettime(2)) in milliseconds, because no
 * runtime has a realtime clock that is finer than 1 ms.
 *
 * @module
 */

/**
 * The Unix time by the monotonic clock: nobody can set it, and it runs evenly
 * from the time at which the program started.
 */
export function monotonic(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * The Unix time by the realtime clock. It is finer than `Date.now()`, and
 * follows it when somebody sets the machine's clock.
 */
export function realtime(): number {
  return realtimeOffset() + monotonic();
}

/** How far the realtime clock is ahead of the monotonic one. */
export function realtimeOffset(): number {
  const [least, most] = bounds();
  if (least > offset + 1 || most < offset - 1) offset = readOffset(); // set
  else offset = Math.min(Math.max(offset, least), most);
  return offset;
}

/** Reads both clocks until the realtime clock ticks, which takes up to 1 ms. */
function readOffset(): number {
  let [least, most] = bounds();
  for (let tries = 10_000; most - least > 0.02 && tries > 0; tries--) {
    const [lower, upper] = bounds();
    [least, most] = [Math.max(least, lower), Math.min(most, upper)];
    if (least > most) [least, most] = [lower, upper]; // set again
  }
  return (least + most) / 2;
}

/** How far the realtime clock is ahead, at least and at most. */
function bounds(): [least: number, most: number] {
  const before = monotonic();
  const whole = Date.now(); // the current millisecond is not over yet
  const after = monotonic();
  return [whole - after, whole + 1 - before];
}

let offset = readOffset();

/** The least time between two readings, in log2 s: RFC 5905, section 7.3. */
export function measurePrecision(clock: () => number): number {
  let least = 1000;
  for (let i = 0, last = clock(); i < 100; i++) {
    const now = clock();
    if (now > last) least = Math.min(least, now - last);
    last = now;
  }
  return Math.ceil(Math.log2(least / 1000));
}

/** The precision of `realtime()`, in log2 s. */
export const PRECISION = measurePrecision(realtime);

/** A difference of two times with its sign: `+0.004`. */
export function withSign(difference: number, digits = 3): string {
  return `${difference < 0 ? "" : "+"}${difference.toFixed(digits)}`;
}

/**
 * Waits until the time by `now`, a clock that may be set meanwhile; rejects as
 * soon as `interrupt` does. Long timers are less exact, so it sleeps until a
 * little earlier first.
 */
export function sleepUntil(
  time: number,
  now: () => number,
  interrupt?: Promise<never>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    function wake(): void {
      const left = time - now();
      if (left <= 0) return resolve();
      timer = setTimeout(wake, left > 40 ? Math.min(left - 20, 1e9) : left);
    }
    interrupt?.catch((error) => {
      clearTimeout(timer);
      reject(error);
    });
    wake();
  });
}
