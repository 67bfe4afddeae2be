/**
 * Shows two real programs and the calls between them in a browser, while they run.
 *
 *     deno task board [--port N]
 *     bun scripts/tools/board.ts
 *     node scripts/tools/board.ts
 */
import { readFlags, wholeNumber } from "../../lib/experiment/flags.ts";
import { onStop } from "../../lib/process/process.ts";
import { newToken } from "../../lib/services/http_guard.ts";
import { listenHere, serveHttp } from "../../lib/services/http_serve.ts";
import { SocketError } from "../../lib/sockets/socket_error.ts";
import { readChoices } from "./board/choices.ts";
import { answerer } from "./board/routes.ts";
import { runTool, ToolError } from "./support/tool.ts";

const HELP = `Shows an experiment in a browser: two programs, call by call.

  deno task board [--port N]      (bun, node: scripts/tools/board.ts)

  --port N   listen on this port (a free one)
  --help     print this

It prints the address to open, which holds a secret: only who has it can start
a program. It listens on this machine only, until Ctrl-C.`;

const OPTIONS = {
  port: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the command line; undefined if help is asked for. */
function read(args: string[]): { port: number } | undefined {
  const { values } = readFlags(args, OPTIONS);
  if (values.help) return;
  return { port: wholeNumber("port", values.port, 1, 65535) ?? 0 };
}

async function run(request: { port: number }): Promise<number> {
  const listeners = await listenHere(request.port).catch((error) => {
    if (!(error instanceof SocketError)) throw error;
    throw new ToolError(`${error.message} (--port takes another)`);
  });
  const port = Number(listeners[0].getsockname()[1]);
  const token = newToken();
  const choices = readChoices();
  const answer = answerer({ port, token }, choices);
  const close = () => listeners.forEach((listener) => listener.close());
  onStop(close);
  console.log(`http://127.0.0.1:${port}/#${token}`);
  const served = listeners.map((one) => serveHttp(one, answer, { body: 8192 }));
  await Promise.all([choices, ...served]).finally(close);
  return 0;
}

if (import.meta.main) await runTool({ help: () => HELP, read, run });
