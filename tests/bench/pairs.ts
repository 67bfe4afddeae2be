/**
 * Times workloads in interleaved rounds, since a machine is never equally fast
 * for long: only what was measured side by side is compared.
 *
 * @module
 */

/** Does the work and returns what it cost: ms, or bytes. */
export type Measure = () => Promise<number>;

/** The median and the bounds of the middle half. */
export interface Spread {
  middle: number;
  low: number;
  high: number;
}

/**
 * The costs of each measure by round. The order is reversed round by round, so
 * that none is always the first; the first `warmUp` rounds do not count.
 */
export async function interleaved(
  rounds: number,
  measures: Measure[],
  { warmUp, tick }: { warmUp: number; tick(round: number): void },
): Promise<number[][]> {
  const costs: number[][] = measures.map(() => []);
  const order = [...measures.keys()];
  for (let round = -warmUp; round < rounds; round++) {
    tick(Math.max(0, round));
    for (const i of order) {
      const cost = await measures[i]();
      if (round >= 0) costs[i].push(cost);
    }
    order.reverse();
  }
  return costs;
}

/** How many ms the work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The ratio of two costs, by the rounds in which they were measured. */
export function ratios(costs: number[], others: number[]): Spread {
  return spread(costs.map((cost, i) => cost / others[i]));
}

export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const place = (sorted.length - 1) * share;
    const [below, above] = [Math.floor(place), Math.ceil(place)];
    const weight = place - below;
    return sorted[below] * (1 - weight) + sorted[above] * weight;
  };
  return { low: at(0.25), middle: at(0.5), high: at(0.75) };
}
