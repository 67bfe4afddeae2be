/**
 * Lists the experiments and reads their files, for every tool.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL("../../..", import.meta.url).href);

/** The names of all experiments, such as `tcp_time`. */
export function allNames(): string[] {
  return readdirSync(join(ROOT, "scripts"))
    .filter((file) => file.endsWith(".ts")).map(nameOf).sort();
}

/** The name of an experiment that may be given as its file. */
export function nameOf(given: string): string {
  return basename(given.trim(), ".ts");
}

/** The text of an experiment's file, its lines ended by LF on any system. */
export function sourceOf(name: string): string {
  const file = join(ROOT, "scripts", `${name}.ts`);
  return readFileSync(file, "utf8").replaceAll("\r\n", "\n");
}

/** Whether a file exports both ends, and is not a guided script. */
export function hasTwoEnds(source: string): boolean {
  return ["server", "client"].every((end) =>
    source.includes(`\nexport async function ${end}(`)
  );
}
