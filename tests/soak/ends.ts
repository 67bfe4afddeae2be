/**
 * Both ends of the soak, as an experiment like any other. soak.ts starts each
 * in a process of its own.
 *
 * @module
 */
import { experiment } from "../../lib/mod.ts";
import { client } from "./client.ts";
import { server } from "./server.ts";

const whole = { takes: "a whole number", pattern: /^\d{1,9}$/ };
await experiment({
  url: import.meta.url,
  port: 0,
  server,
  client,
  flags: {
    seed: { ...whole, help: "what the connections do follows from it" },
    number: { ...whole, help: "which client it is: so are its connections" },
  },
});
