/**
 * The experiments as the tests see them: every file of `scripts/`.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Experiment } from "../../lib/experiment/settings.ts";

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url).href);

/** The experiments' file names, such as `tcp_time.ts`. */
export const SCRIPTS = readdirSync(`${ROOT}scripts`)
  .filter((name) => name.endsWith(".ts"))
  .sort();

/** Guided scripts, which run both ends themselves and export neither. */
export const GUIDED: readonly string[] = ["quiz.ts", "study.ts"];

/** Scripts whose output tells delays, which a busy machine makes longer. */
export const TIMED: readonly string[] = [
  "iot_devices.ts",
  "job_schedule.ts",
  "time_sync.ts",
];

/** Both ends of an experiment, as its file exports them. */
export async function load(name: string): Promise<Experiment> {
  const { server, client } = await import(`../../scripts/${name}.ts`);
  return { url: `file:///${name}.ts`, port: 0, server, client };
}
