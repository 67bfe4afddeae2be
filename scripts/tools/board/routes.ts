/**
 * The requests that the board answers, and the runs that it holds.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { HttpRequest } from "../../../lib/protocols/http.ts";
import { HttpFault } from "../../../lib/protocols/http_lines.ts";
import type { Answer } from "../../../lib/services/http_answer.ts";
import * as guard from "../../../lib/services/http_guard.ts";
import {
  answerOf,
  jsonAnswer,
  objectIn,
} from "../../../lib/services/http_json.ts";
import { answering, type Methods } from "../../../lib/services/http_routes.ts";
import type { Answering } from "../../../lib/services/http_serve.ts";
import { DOWNLOADS } from "../report/downloads.ts";
import { ownPath, readTextFile } from "../report/files.ts";
import { detailsOf } from "../report/man.ts";
import { type Choices, choicesInWords, readOrder } from "./choices.ts";
import { Run } from "./run.ts";

/** Makes the function that answers requests. */
export function answerer(
  own: guard.Own,
  choices: Promise<Choices>,
): Answering {
  const runs = new Map<string, Run>();
  let started = 0;

  async function startRun(request: HttpRequest): Promise<Answer> {
    const order = readOrder(objectIn(request), await choices);
    if (runs.size >= MOST_RUNS) {
      throw new HttpFault(503, `${MOST_RUNS} runs are on: leave one of them`);
    }
    const id = String(++started);
    const run = new Run(id, order, () => runs.delete(id));
    runs.set(id, run);
    run.play();
    const fields = { "Content-Type": "application/x-ndjson" };
    return { status: 200, fields, body: { pieces: run.events } };
  }

  function methodsOf(path: string): Methods {
    if (Object.hasOwn(PAGE, path)) return PAGE[path];
    if (path === "/runs") return { POST: startRun };
    if (path === "/choices") {
      return { GET: async () => jsonAnswer(choicesInWords(await choices)) };
    }
    const [, id, name] = path.match(/^\/runs\/(\d{1,9})\/([\w./]+)$/) ?? [];
    const run = runs.get(id);
    const found = run && methodsOfRun(run, name);
    if (found) return found;
    throw new HttpFault(404, "nothing is here");
  }

  return answering((request) => {
    guard.checkHost(request, own);
    if (!Object.hasOwn(PAGE, request.path)) guard.checkSender(request, own);
    return methodsOf(request.path);
  }, guard.SAFE_FIELDS);
}

/** What can be done with a run, by the rest of the path. */
function methodsOfRun(run: Run, name: string): Methods | undefined {
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
  const call = run.calls[Number(id) - 1];
  if (call) return { GET: () => jsonAnswer(detailsOf(call, run.calls)) };
  const order = { next, stop: () => void run.stop() }[name];
  return order && {
    POST(request) {
      order(run, objectIn(request));
      return { status: 204 };
    },
  };
}

function next(run: Run, { end, run: all = false }: Record<string, unknown>) {
  if ((end !== "server" && end !== "client") || typeof all !== "boolean") {
    throw new HttpFault(400, "next: an end is wanted, and perhaps run");
  }
  run.next(end, all);
}

/** The files of the page, which holds no secret. */
const PAGE: Record<string, Methods> = {
  "/": pageOf("html", "index.html"),
  "/board.css": pageOf("css", "board.css", ownPath("style.css")),
  "/board.js": pageOf("javascript", "board.js"),
};

/** A file of the page, which may begin with another one. */
function pageOf(type: string, name: string, ...before: string[]): Methods {
  const { href } = new URL(`page/${name}`, import.meta.url);
  const GET = () =>
    answerOf(
      `text/${type}; charset=utf-8`,
      [...before, fileURLToPath(href)].map(readTextFile).join(""),
    );
  return { GET, HEAD: GET };
}

/** Each has two processes. */
const MOST_RUNS = 4;
