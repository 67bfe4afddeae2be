/**
 * Ways to start that are not in the README, and what each of them says: other
 * test runners, npm, another folder, a program of one's own. Named so that
 * `deno test` and `node --test` find this file, and no other.
 */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

if (!("Bun" in globalThis)) {
  console.error(
    "The tests run under Bun, and test all three runtimes: " +
      "npx -y bun test --parallel=4 --no-isolate",
  );
  process.exit(1);
}

const { describe, expect, test } = await import("bun:test");
const { start } = await import("../scripts/tools/support/processes.ts");
const { commandFor, find, RUNTIMES } = await import("./support/runtimes.ts");
const { needing, testOn } = await import("./support/test_on.ts");

const ROOT = fileURLToPath(new URL("..", import.meta.url).href);
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** Runs a command to its end, in a folder. */
async function run(command: string[], cwd: string) {
  const { ended, written } = start(command, { cwd, env: { NO_COLOR: "1" } });
  const { code } = await ended;
  return { code, ...written };
}

/** Calls `work` with an empty folder, which is gone afterwards. */
async function inFolder(work: (folder: string) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "starts-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const npm = Bun.which("npm") ? undefined : "npm is not on the PATH";

describe("npm", () => {
  const { scripts, engines } = JSON.parse(read("package.json"));

  test("test runs what the README says, on the Node that it says", () => {
    expect(read("README.md")).toContain(`\`\`\`sh\n${scripts.test}\n\`\`\`\n`);
    const [, least] = engines.node.match(/^>=(\d+\.\d+)$/);
    expect(read("README.md")).toContain(`Node is older than ${least}`);
  });

  needing(
    npm,
    "install has nothing to install, and leaves nothing",
    () =>
      inFolder(async (folder) => {
        for (const file of ["package.json", ".npmrc"]) {
          cpSync(join(ROOT, file), join(folder, file));
        }
        const command = ["npm", "install", "--offline", "--no-audit"];
        const { code, both } = await run(command, folder);
        expect([both.includes("up to date"), code]).toEqual([true, 0]);
        const left = readdirSync(folder).filter((name) =>
          name !== "node_modules"
        );
        expect(left.sort()).toEqual([".npmrc", "package.json"]);
      }),
  );
});

for (const runtime of RUNTIMES) {
  testOn(
    runtime,
    `${runtime} runs an experiment from another folder`,
    () =>
      inFolder(async (folder) => {
        const script = join(ROOT, "scripts/tcp_hello.ts");
        const command = [...commandFor(runtime, ["--allow-net"]), script];
        const { code, stdout, stderr } = await run(command, folder);
        expect(stdout).toContain("client: Hello World!\n");
        expect([code, stderr]).toEqual([0, ""]);
      }),
  );
}

testOn("deno", "deno test says which runner to use", async () => {
  const command = [find("deno").path!, "test", "tests"];
  const { code, both } = await run(command, ROOT);
  expect(both).toContain("The tests run under Bun");
  expect(both.match(/\S+(?= \(uncaught error\))/g)).toEqual(null);
  expect(code).toBe(1);
});

testOn("node", "node --test says which runner to use", async () => {
  const command = [find("node").path!, "--test"];
  const { code, both } = await run(command, ROOT);
  expect(both).toContain("The tests run under Bun");
  expect(both).toMatch(/^ℹ tests 1$/m);
  expect(code).toBe(1);
});

testOn(
  "deno",
  "deno checks a program of one's own with lib",
  () =>
    inFolder(async (folder) => {
      const program = join(folder, "own.ts");
      writeFileSync(
        program,
        `import { AF_INET, observe, Reader, SOCK_DGRAM, SOCK_STREAM, socket }
  from ${JSON.stringify(join(ROOT, "lib/mod.ts"))};
await socket(AF_INET, SOCK_DGRAM).bind(["127.0.0.1", 0]);
new Reader(socket(AF_INET, SOCK_STREAM)).line();
await observe(({ call }) => console.log(call));
`,
      );
      const command = [find("deno").path!, "check", "--no-lock", program];
      const { code, stderr } = await run(command, folder);
      expect([code, stderr.includes("error")]).toEqual([0, false]);
    }),
);
