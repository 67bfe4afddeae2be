/**
 * The snippets with the whole library: one file that runs as it is, in an empty
 * folder, on every runtime, whichever bundler made it. And the command line.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { read } from "../scripts/tools/snippet.ts";
import {
  type Bundler,
  bundleWith,
  wholeSnippet,
} from "../scripts/tools/snippet/whole.ts";
import { sourceOf } from "../scripts/tools/support/experiments.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import {
  commandFor,
  find,
  run,
  type RuntimeName,
  RUNTIMES,
} from "./support/runtimes.ts";
import { GUIDED, ROOT, SCRIPTS } from "./support/scripts.ts";
import { alongside, needing, testOn, testScript } from "./support/test_on.ts";

const made = new Map<string, Promise<string>>();
const bun = bundleWith("bun", find("bun").path!);
const deno = bundleWith("deno", find("deno").path ?? "deno");
/** Deno fetches its bundler on first use: off line there is none. */
const noDeno = await textOf("tcp_hello", deno).then(
  () => undefined,
  (error: Error) => error.message,
);
const bundlers = noDeno ? [bun] : [bun, deno];
const names = SCRIPTS.map((file) => file.slice(0, -3));

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** The text of a snippet, which is made once for all tests. */
function textOf(name: string, bundler: Bundler): Promise<string> {
  const key = `${name} ${bundler.name}`;
  const text = made.get(key) ??
    wholeSnippet(name, sourceOf(name), [bundler]);
  made.set(key, text);
  return text;
}

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "snippet-test-"));
  folders.push(folder);
  return folder;
}

/** A folder with a snippet and nothing else. */
function folderWith(name: string, text: string): string {
  const folder = emptyFolder();
  writeFileSync(join(folder, `${name}.ts`), text);
  return folder;
}

needing(
  noDeno,
  "each bundler makes the snippets that it is asked for",
  async () => {
    for (const bundler of [bun, deno]) {
      const text = await textOf("tcp_hello", bundler);
      expect(text).toContain(`The library, as \`${bundler.name}\` puts`);
    }
  },
);

for (const name of names) {
  const source = readFileSync(join(ROOT, "scripts", `${name}.ts`), "utf8");
  const [header] = source.match(/^[\s\S]*?\*\/\n/)!;

  for (const bundler of bundlers) {
    describe(`the snippet of ${name} by ${bundler.name}`, () => {
      alongside("has the header and the code as they are", async () => {
        const text = await textOf(name, bundler);
        const start = source.lastIndexOf(' from "../lib/');
        const code = source.slice(source.indexOf("\n\n", start)).trimEnd();
        expect(text).toStartWith(header.replaceAll("scripts/", ""));
        expect(text).toContain(code);
      });

      alongside("imports only what the runtimes ship", async () => {
        const text = await textOf(name, bundler);
        const code = text.slice(header.replaceAll("scripts/", "").length);
        const imports = [...code.matchAll(
          /^(?:import|export)\b.*\bfrom (".*")|\b(?:import|require)\((".*?")/gm,
        )];
        expect(imports).not.toBeEmpty();
        for (const [, one, other] of imports) {
          expect(one ?? other).toStartWith('"node:');
        }
        expect(text).not.toContain(ROOT);
        expect(text).not.toContain(join(tmpdir(), "snippet-"));
      });

      alongside("can be loaded, and exports both ends", async () => {
        const folder = folderWith(name, await textOf(name, bundler));
        const module = await import(join(folder, `${name}.ts`));
        const ends = ["client", "server"];
        expect(Object.keys(module).filter((key) => ends.includes(key)).sort())
          .toEqual(GUIDED.includes(`${name}.ts`) ? [] : ends);
      });
    });
  }
}

/** Three are run, each on another runtime, and made by another's bundler. */
const RUN: [RuntimeName, name: string, Bundler][] = [
  ["deno", "names", bun],
  ["bun", "event_log", bundlers.at(-1)!],
  ["node", "quiz", bun],
];
for (const [runtime, name, bundler] of RUN) {
  const title = `the snippet of ${name} prints its output on ${runtime}`;
  testScript(`${name}.ts`, runtime, title, async () => {
    const text = await textOf(name, bundler);
    const { commands, output } = readHeader(text);
    const words = commands.find((line) => line.startsWith(`${runtime} `))!
      .split(" ").slice(1);
    const file = words.indexOf(`${name}.ts`);
    const permissions = words.slice(0, file).filter((w) => w !== "run");
    const { code, stdout, stderr } = await run(
      [...commandFor(runtime, permissions), ...words.slice(file)],
      { cwd: folderWith(name, text) },
    );
    expect(stderr).toBe("");
    expect(output).not.toBeEmpty();
    expect(difference(output, stdout.trimEnd().split("\n"))).toBeNull();
    expect(code).toBe(0);
  });
}

describe("the command line of a snippet is that of its experiment:", () => {
  for (const [i, runtime] of RUNTIMES.entries()) {
    const bundler = bundlers[i % bundlers.length];
    const play = async (...args: string[]) => {
      const cwd = folderWith("tcp_time", await textOf("tcp_time", bundler));
      const command = commandFor(runtime, ["--allow-net"]);
      return run([...command, "tcp_time.ts", ...args], { cwd });
    };

    testOn(runtime, `--help and a wrong flag on ${runtime}`, async () => {
      const help = await play("--help");
      expect(help.stdout).toMatch(/^\w.* tcp_time\.ts \[both \|/m);
      expect(help.stdout).not.toContain("scripts/");
      expect(help.code).toBe(0);
      const wrong = await play("--nope");
      expect(wrong.stderr).toMatch(/^Unknown flag --nope\b.*\n$/);
      expect(wrong.code).toBe(2);
    });

    testOn(runtime, `an error and its advice on ${runtime}`, async () => {
      const { code, stderr } = await play("client", "--port", "1");
      const [error, advice] = stderr.split("\n");
      expect(error).toBe("Cannot connect to 127.0.0.1:1: connection refused");
      expect(advice).toMatch(/^Start the server first: .* tcp_time\.ts serve/);
      expect(advice).not.toContain("scripts/");
      expect(code).toBe(1);
    });
  }
});

describe("snippet.ts", () => {
  test("knows every experiment, also by its file", () => {
    for (const name of names) {
      expect(read([`scripts/${name}.ts`])?.name).toBe(name);
      expect(read([name])?.name).toBe(name);
    }
  });

  const usage = `Name one experiment: ${names.join(", ")}`;
  const wrong: [args: string[], message: string][] = [
    [["nope"], usage],
    [[], usage],
    [["tcp_time", "x"], usage],
    [["\x1b[2J"], usage],
    [["tcp_time", "--x"], "Unknown flag --x"],
    [["tcp_time", "--out"], "--out needs a value"],
    [["tcp_time", "--out="], "--out needs a value"],
    [["tcp_time", "--ends", "--whole"], "--ends goes with neither"],
    [["tcp_time", "--ends", "--out", "x"], "--ends goes with neither"],
  ];
  for (const [args, message] of wrong) {
    test(`refuses ${JSON.stringify(args.join(" "))}`, () => {
      expect(() => read(args)).toThrow(message);
    });
  }

  /** A PATH on which one runtime is, and nothing else. */
  const pathTo = (runtime: "bun" | "deno") => {
    const PATH = emptyFolder();
    symlinkSync(find(runtime).path ?? "missing", join(PATH, runtime));
    return { PATH };
  };

  for (const runtime of RUNTIMES) {
    const tool = (args: string[], env: Record<string, string> = {}) => {
      const file = join(ROOT, "scripts/tools/snippet.ts");
      const command = [...commandFor(runtime, ["-A"]), file, ...args];
      return run(command, { cwd: emptyFolder(), env });
    };
    // A runtime's own bundler comes first; Node has none.
    const bundler = runtime === "deno" ? deno : bun;
    const path = pathTo(runtime === "bun" ? "deno" : "bun");
    const missing = runtime === "deno" ? noDeno : find(runtime).reason;

    needing(missing, `finds a bundler on ${runtime}`, async () => {
      const { code, stdout, stderr } = await tool(
        ["tcp_time", "--whole"],
        path,
      );
      expect(stderr).toBe("");
      expect(stdout).toBe(await textOf("tcp_time", bundler));
      expect(code).toBe(0);
    });

    testOn(
      runtime,
      `has --help, and refuses in one line on ${runtime}`,
      async () => {
        const [help, wrong] = await Promise.all([tool(["--help"]), tool([])]);
        expect(help.stdout).toMatch(/^snippet\.ts NAME \[flags\]\n/);
        expect(help.code).toBe(0);
        expect([wrong.stderr, wrong.stdout]).toEqual([`${usage}\n`, ""]);
        expect(wrong.code).toBe(2);
      },
    );

    if (runtime !== "node") continue;
    testOn(runtime, "says what to install where no bundler is", async () => {
      const { code, stdout, stderr } = await tool(["tcp_time", "--whole"], {
        PATH: emptyFolder(),
      });
      expect(stderr).toMatch(/^Cannot bundle \(.*\): install Deno.*\n$/);
      expect([code, stdout]).toEqual([1, ""]);
    });
  }

  alongside("tries the next bundler when one fails", async () => {
    const none = { name: "none", command: ["/does/not/exist"] };
    expect(await wholeSnippet("tcp_time", sourceOf("tcp_time"), [none, bun]))
      .toBe(await textOf("tcp_time", bun));
  });
});
