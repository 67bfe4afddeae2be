/**
 * The server of tcp_time with tight limits: it serves two clients at once and
 * closes a silent one after a second, or 200 ms after a stop.
 */
import { experiment } from "../../lib/experiment/experiment.ts";
import { limits } from "../../lib/experiment/settings.ts";
import { client, server } from "../../scripts/tcp_time.ts";

limits.clients = 2;
limits.idle = 1000;
limits.grace = 200;
await experiment({ url: import.meta.url, port: 8000, server, client });
