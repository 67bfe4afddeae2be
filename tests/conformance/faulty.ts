/**
 * A run whose cases hang, fail and leave something open, to see that they are
 * named: `conformance_spec.ts` expects it.
 *
 * @module
 */
import { socket } from "../../lib/mod.ts";
import { casesOf } from "./fixtures.ts";
import { watchTimers } from "./leftovers.ts";
import { performAll } from "./perform.ts";

const faulty = casesOf("rule", {
  async "waits for ever"() {
    await new Promise(() => {});
  },
  async "rejects where nobody waits"() {
    Promise.reject(new Error("nobody waits for this"));
  },
  async "leaves a socket open"() {
    const server = socket();
    await server.bind(["127.0.0.1", 0]);
    await server.listen();
  },
  async "leaves a timer behind"() {
    setTimeout(() => {}, 3_600_000);
  },
  async "does what it should"() {},
});

watchTimers();
await performAll(faulty, 500);
