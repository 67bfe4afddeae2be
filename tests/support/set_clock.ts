/**
 * Runs both ends of job_schedule in a process whose clock is set by so many ms
 * while they run, and again after it was set back by as many, and prints what
 * the client returns of each:
 *
 *     bun tests/support/set_clock.ts -3600000
 */
import process from "node:process";
import { load } from "./scripts.ts";
import { play } from "./play.ts";

const step = Number(process.argv[2]);
const { now } = Date;
const set = (by: number) => Date.now = () => now() + by;
const schedule = await load("job_schedule");

/** Sets it to and fro, from the first line on. */
function client(end: Parameters<typeof schedule.client>[0]) {
  for (const [ms, by] of [[0, step], [300, 0], [900, step]]) {
    setTimeout(set, ms, by);
  }
  return schedule.client(end);
}

const flags = { workers: "4" };
const { clients: [meanwhile] } = await play({ ...schedule, client }, { flags });
set(-step);
const { clients: [before] } = await play(schedule, { flags });
console.log(JSON.stringify({ meanwhile, before }));
