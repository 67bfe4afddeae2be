/**
 * The text of a script, for what its header and its lines say. Loaded only for
 * `--help` and slips.
 *
 * @module
 */

/** The text of a script; empty if it cannot be read. */
export async function sourceOf(url: string): Promise<string> {
  try {
    if ("Deno" in globalThis) {
      // Needs no permission for a script that runs, so that Deno does not ask.
      return (await import(url, { with: { type: "text" } })).default;
    }
    const { fileURLToPath } = await import("node:url");
    return (await import("node:fs")).readFileSync(fileURLToPath(url), "utf8");
  } catch {
    return "";
  }
}

/** The first paragraph of its header, and the output that the header promises. */
export function headerOf(source: string): { fact: string; output: string } {
  const [comment = ""] = source.match(/(?<=^\/\*\*\r?\n)[^]*?(?=\r?\n \*\/)/) ??
    [];
  const text = comment.replace(/^ \* ?/gm, "").replaceAll("\r", "");
  const [, output = ""] = text.split(/^Output\b.*:\n\n/m);
  return { fact: text.split("\n\n")[0], output };
}

/** The only line of a function that makes a call, from 1; undefined for several. */
export function lineIn(
  source: string,
  end: string,
  call: string,
): number | undefined {
  const lines = source.split("\n");
  const start = lines.findIndex((line) => line.includes(` function ${end}(`));
  const length = lines.slice(start).findIndex((line) => line.startsWith("}"));
  const pattern = new RegExp(LOOPS[call] ?? `\\b${call}\\(`);
  const found = lines.slice(start, start + length)
    .flatMap((line, i) => pattern.test(line) ? [start + i + 1] : []);
  return start >= 0 && found.length === 1 ? found[0] : undefined;
}

/** The calls that loops and a Reader make. */
const LOOPS: Record<string, string> = {
  accept: "\\.accept\\(|for await",
  recvfrom: "\\.recvfrom\\(|for await",
  recv: "\\.(recv|line|all|until|exactly|some)\\(",
};
