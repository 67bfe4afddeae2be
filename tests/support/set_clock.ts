/**
 * Runs both ends of job_schedule in a process whose clock is set by so many
 * ms, `before` that or `meanwhile`, and prints what the client returns:
 *
 *     bun tests/support/set_clock.ts -3600000 meanwhile
 */
import process from "node:process";
import { run } from "../../lib/experiment/experiment.ts";
import { load } from "./scripts.ts";

const [step, when] = process.argv.slice(2);
const { now } = Date;
const set = (by: number) => Date.now = () => now() + by;

/** Sets it to and fro, from the first line on. */
function setMeanwhile() {
  const steps = [[0, Number(step)], [300, 0], [900, Number(step)]];
  for (const [ms, by] of steps) setTimeout(set, ms, by);
}

if (when === "before") set(Number(step));
let lines = 0;
const { clients: [result] } = await run(
  await load("job_schedule"),
  { flags: { workers: "4" } },
  () => lines++ === 0 && when === "meanwhile" && setMeanwhile(),
);
console.log(JSON.stringify(result));
