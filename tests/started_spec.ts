/**
 * Nothing that a test has started survives it, whether it fails, throws, or takes
 * too long: the tests' own promise.
 */
import { expect } from "bun:test";
import { start } from "./support/started.ts";
import { alongside, endingIn, failureOf } from "./support/test_on.ts";

const BODIES: Record<string, () => Promise<void>> = {
  passes: () => Promise.resolve(),
  fails: () => Promise.reject(new Error("It fails")),
  "takes too long": () => new Promise(() => {}),
};

for (const [what, body] of Object.entries(BODIES)) {
  alongside(`a test that ${what} leaves no process behind`, async () => {
    const started: ReturnType<typeof start>[] = [];
    const ended = endingIn(200, () => {
      started.push(start(["sleep", "300"]));
      return body();
    });
    await (what === "passes" ? ended : failureOf(ended));
    expect(await started[0].ended).toMatchObject({ signal: "SIGKILL" });
  });
}

alongside("nor does what a test starts after it was given up", async () => {
  const late = Promise.withResolvers<ReturnType<typeof start>>();
  const go = Promise.withResolvers<void>();
  await failureOf(endingIn(50, async () => {
    await go.promise;
    late.resolve(start(["sleep", "300"]));
  }));
  go.resolve();
  expect(await (await late.promise).ended).toMatchObject({ signal: "SIGKILL" });
});
