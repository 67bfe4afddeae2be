/**
 * The snippets: one file that runs as it is, in an empty folder, on every
 * runtime, whichever bundler made it.
 */
import { afterAll, describe, expect } from "bun:test";
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Bundler,
  bundleWith,
  names,
  snippet,
} from "../scripts/tools/snippet.ts";
import { difference, readHeader } from "../scripts/tools/support/header.ts";
import { commandFor, find, run, RUNTIMES } from "./support/runtimes.ts";
import { ROOT, SCRIPTS } from "./support/scripts.ts";
import { alongside, needing, testOn, testScript } from "./support/test_on.ts";

const TOOL = join(ROOT, "scripts/tools/snippet.ts");

const made = new Map<string, Promise<string>>();
const bun = bundleWith("bun", find("bun").path!);
const deno = bundleWith("deno", find("deno").path ?? "deno");
/** Deno fetches its bundler when it is used first: off line there is none. */
const noDeno = await reasonAgainst(deno);
const bundlers = noDeno ? [bun] : [bun, deno];

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** The text of a snippet, which is made once for all that ask. */
function textOf(name: string, bundler: Bundler): Promise<string> {
  const key = `${name} ${bundler.name}`;
  const text = made.get(key) ?? snippet(name, [bundler]);
  made.set(key, text);
  return text;
}

async function reasonAgainst(bundler: Bundler): Promise<string | undefined> {
  try {
    await textOf("tcp_hello", bundler);
  } catch (error) {
    return (error as Error).message;
  }
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

needing(noDeno, "the snippets of both bundlers are tested", async () => {});

for (const [i, name] of names().entries()) {
  const source = readFileSync(join(ROOT, "scripts", `${name}.ts`), "utf8");

  describe(`the snippet of ${name}`, () => {
    const texts = () =>
      Promise.all(bundlers.map((bundler) => textOf(name, bundler)));

    alongside("has the header and the code as they are", async () => {
      const [header] = source.match(/^[\s\S]*?\*\/\n/)!;
      const code = source.slice(source.lastIndexOf(' from "../lib/')).trimEnd();
      for (const text of await texts()) {
        expect(text).toStartWith(header.replaceAll("scripts/", ""));
        expect(text).toContain(code.slice(code.indexOf("\n\n")));
      }
    });

    alongside("imports what the runtimes ship, and nothing else", async () => {
      for (const text of await texts()) {
        const code = text.replace(/^\/\*\*[\s\S]*?\*\//, "");
        const imports = [...code.matchAll(
          /^(?:import|export)\b.*\bfrom (".*")|\b(?:import|require)\((".*?")/gm,
        )];
        expect(imports).not.toBeEmpty();
        for (const [, one, other] of imports) {
          expect(one ?? other).toStartWith('"node:');
        }
        expect(text).not.toContain(ROOT);
        expect(text).not.toContain(tmpdir());
      }
    });

    // The bundlers take turns, so that each meets every runtime.
    const { commands } = readHeader(source);
    for (const [j, runtime] of RUNTIMES.entries()) {
      const bundler = bundlers[(i + j) % bundlers.length];
      const command = commands.find((line) => line.startsWith(`${runtime} `))!
        .replace("scripts/", "");
      const words = command.split(" ").slice(1);
      const title = `made by ${bundler.name}: ${command} prints the output`;

      testScript(`${name}.ts`, runtime, title, async () => {
        const text = await textOf(name, bundler);
        const { commands, output } = readHeader(text);
        expect(commands).toContain(command);
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
  });
}

describe("the command line of a snippet is that of its experiment:", () => {
  const folders = Promise.all(
    bundlers.map(async (bundler) =>
      folderWith("tcp_time", await textOf("tcp_time", bundler))
    ),
  );

  for (const runtime of RUNTIMES) {
    /** Runs what both bundlers made. */
    const play = async (...args: string[]) =>
      Promise.all((await folders).map((cwd) => {
        const command = commandFor(runtime, ["--allow-net"]);
        return run([...command, "tcp_time.ts", ...args], { cwd });
      }));

    testOn(runtime, `--help and a wrong flag on ${runtime}`, async () => {
      for (const { code, stdout } of await play("--help")) {
        expect(stdout).toMatch(/^\w.* tcp_time\.ts \[both \|/);
        expect(stdout).not.toContain("scripts/");
        expect(code).toBe(0);
      }
      for (const { code, stderr } of await play("--nope")) {
        expect(stderr).toMatch(/^Unknown flag --nope .*\n$/);
        expect(code).toBe(2);
      }
    });

    testOn(runtime, `an error and its advice on ${runtime}`, async () => {
      for (const finished of await play("client", "--port", "1")) {
        const { code, stderr } = finished;
        const [error, advice] = stderr.split("\n");
        expect(error).toBe("Cannot connect to 127.0.0.1:1: connection refused");
        expect(advice).toMatch(
          /^Start the server first: .* tcp_time\.ts serve/,
        );
        expect(advice).not.toContain("scripts/");
        expect(code).toBe(1);
      }
    });
  }
});

describe("snippet.ts", () => {
  alongside("knows every experiment", () => {
    expect(names().map((name) => `${name}.ts`)).toEqual(SCRIPTS);
  });

  /** A PATH on which one runtime is, and nothing else. */
  const pathTo = (runtime: "bun" | "deno") => {
    const PATH = emptyFolder();
    symlinkSync(find(runtime).path ?? "missing", join(PATH, runtime));
    return { PATH };
  };

  for (const runtime of RUNTIMES) {
    const tool = (args: string[], env: Record<string, string> = {}) =>
      run([...commandFor(runtime, ["-A"]), TOOL, ...args], {
        cwd: emptyFolder(),
        env,
      });
    // A runtime's own bundler comes first; Node has none.
    const bundler = runtime === "deno" ? deno : bun;
    const path = pathTo(runtime === "bun" ? "deno" : "bun");
    const missing = runtime === "deno" ? noDeno : find(runtime).reason;

    needing(missing, `finds a bundler on ${runtime}`, async () => {
      const { code, stdout, stderr } = await tool(["tcp_time"], path);
      expect(stderr).toBe("");
      expect(stdout).toBe(await textOf("tcp_time", bundler));
      expect(code).toBe(0);
    });

    testOn(
      runtime,
      `says in one line what it takes on ${runtime}`,
      async () => {
        for (const args of [["nope"], [], ["tcp_time", "x"], ["\x1b[2J"]]) {
          const { code, stdout, stderr } = await tool(args);
          expect(stderr).toBe(`Name one experiment: ${names().join(", ")}\n`);
          expect(stdout).toBe("");
          expect(code).toBe(2);
        }
      },
    );

    testOn(runtime, `prints its help on ${runtime}`, async () => {
      const { code, stdout } = await tool(["--help"]);
      expect(stdout).toMatch(/^snippet\.ts NAME\n/);
      expect(code).toBe(0);
    });
  }

  testOn("node", "says what to install where there is no bundler", async () => {
    const { code, stdout, stderr } = await run(
      [...commandFor("node", []), TOOL, "tcp_time"],
      { env: { PATH: emptyFolder() } },
    );
    expect(stderr).toMatch(/^Cannot bundle \(.*\): install Deno.*\n$/);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });

  alongside("tries the next bundler when one fails", async () => {
    const none = { name: "none", command: ["/does/not/exist"] };
    expect(await snippet("tcp_time", [none, bun]))
      .toBe(await textOf("tcp_time", bun));
  });
});
