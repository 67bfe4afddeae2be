/**
 * The requests that the board answers, and the runs that it holds.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { HttpRequest } from "../../../lib/protocols/http.ts";
import { HttpFault } from "../../../lib/protocols/http_lines.ts";
import { type Answer, textAnswer } from "../../../lib/services/http_answer.ts";
import {
  checkHost,
  checkSender,
  type Own,
  SAFE_FIELDS,
} from "../../../lib/services/http_guard.ts";
import type { Answering } from "../../../lib/services/http_serve.ts";
import { ownPath, readTextFile } from "../report/files.ts";
import {
  type Choices,
  choicesInWords,
  objectIn,
  readOrder,
} from "./choices.ts";
import { DOWNLOADS } from "../report/downloads.ts";
import { Run } from "./run.ts";

type Route = (request: HttpRequest) => Answer | Promise<Answer>;

/** Makes the function that answers requests; it says in one line what is wrong. */
export function answerer(own: Own, choices: Promise<Choices>): Answering {
  const runs = new Map<string, Run>();
  let started = 0;

  async function startRun(request: HttpRequest): Promise<Answer> {
    const order = readOrder(jsonIn(request), await choices);
    if (runs.size >= MOST_RUNS) {
      throw new HttpFault(503, `${MOST_RUNS} runs are on: leave one of them`);
    }
    const id = String(++started);
    const run = new Run(id, order, () => runs.delete(id));
    runs.set(id, run);
    run.play();
    return answerOf("application/x-ndjson", { pieces: run.events });
  }

  /** What can be done with a run, by the rest of the path. */
  function routesOf(run: Run, name: string): Record<string, Route> {
    if (Object.hasOwn(DOWNLOADS, name)) {
      const { type, make } = DOWNLOADS[name];
      return {
        GET() {
          if (run.kept) return answerOf(type, make(run.kept));
          throw new HttpFault(409, "the run has not ended");
        },
      };
    }
    const [, id] = name.match(/^calls\/(\d{1,6})$/) ?? [];
    const call = id && run.call(Number(id));
    if (call) return { GET: () => json(call) };
    if (name === "next") return { POST: (request) => next(run, request) };
    if (name !== "stop") throw NOTHING;
    return {
      POST(request) {
        jsonIn(request);
        run.stop();
        return { status: 204 };
      },
    };
  }

  function routes(path: string): Record<string, Route> {
    if (path === "/choices") {
      return { GET: async () => json(choicesInWords(await choices)) };
    }
    if (path === "/runs") return { POST: startRun };
    const [, id, name] = path.match(/^\/runs\/(\d{1,9})\/([\w./]+)$/) ?? [];
    const run = runs.get(id);
    if (run) return routesOf(run, name);
    throw NOTHING;
  }

  async function answer(request: HttpRequest): Promise<Answer> {
    const { method, path } = request;
    checkHost(request, own);
    const page = Object.hasOwn(PAGE, path) ? PAGE[path] : undefined;
    if (!page) checkSender(request, own);
    const allowed = page ? { GET: page, HEAD: page } : routes(path);
    if (Object.hasOwn(allowed, method)) return await allowed[method](request);
    const methods = Object.keys(allowed).join(", ");
    return textAnswer(405, `the method is ${methods}`, { Allow: methods });
  }

  return async (request) => {
    const { fields, ...answered } = await answer(request).catch(refused);
    return { ...answered, fields: { ...fields, ...SAFE_FIELDS } };
  };
}

function refused(error: unknown): Answer {
  if (error instanceof HttpFault) {
    return textAnswer(error.status, error.message);
  }
  console.error(error);
  return textAnswer(500, "the board has a fault, which its terminal shows");
}

function next(run: Run, request: HttpRequest): Answer {
  const { end, run: all = false } = objectIn(jsonIn(request), "next");
  if ((end !== "server" && end !== "client") || typeof all !== "boolean") {
    throw new HttpFault(400, "next: an end is wanted, and perhaps run");
  }
  run.next(end, all);
  return { status: 204 };
}

/** The body of an order. A form of another page cannot have this type. */
function jsonIn({ fields, body }: HttpRequest): unknown {
  if (!/^application\/json *(;|$)/i.test(fields.get("content-type") ?? "")) {
    throw new HttpFault(415, "application/json is wanted");
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new HttpFault(400, "the order is not JSON");
  }
}

function json(value: unknown): Answer {
  return answerOf("application/json", JSON.stringify(value));
}

function answerOf(
  type: string,
  body: string | NonNullable<Answer["body"]>,
): Answer {
  return {
    status: 200,
    fields: { "Content-Type": type },
    body: typeof body === "string" ? new TextEncoder().encode(body) : body,
  };
}

/** The files of the page, which has no secrets. */
const PAGE: Record<string, Route> = {
  "/": () => answerOf("text/html; charset=utf-8", pageFile("index.html")),
  "/board.css": () =>
    answerOf(
      "text/css; charset=utf-8",
      readTextFile(ownPath("style.css")) + pageFile("board.css"),
    ),
  "/board.js": () =>
    answerOf("text/javascript; charset=utf-8", pageFile("board.js")),
};

function pageFile(name: string): string {
  const { href } = new URL(`page/${name}`, import.meta.url);
  return readTextFile(fileURLToPath(href));
}

const NOTHING = new HttpFault(404, "nothing is here");
/** Each has two processes. */
const MOST_RUNS = 4;
