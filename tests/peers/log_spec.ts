/**
 * Python's own logging as the sender of syslog: each message is one event.
 */
import { expect } from "bun:test";
import { serverOn } from "../support/ends.ts";
import {
  find,
  python,
  pythonCommand,
  run,
  RUNTIMES,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

for (const runtime of RUNTIMES) {
  const reason = python().reason ?? find(runtime).reason;
  needing(reason, `event_log on ${runtime} collects from Python`, async () => {
    const { port, server, stop } = await serverOn("event_log", runtime);
    const command = [...pythonCommand("tests/peers/log.py"), port];
    const { code, stderr } = await run(command, { cwd: ROOT });
    expect([code, stderr]).toEqual([0, ""]);
    await server.said(/: <11>message 499\\n {2}with more\n/);
    await server.said(/: <11>a datagram\n/);
    expect(await stop()).toMatch(/^501 messages: 500 over TCP, 1 over UDP; /m);
  });
}
