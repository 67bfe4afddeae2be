/**
 * Prints the socket calls of an experiment: each when it is made, or all of
 * them as a diagram at the end. Loaded only for `--trace` and `--diagram`.
 *
 * @module
 */
import type { Hooks, PendingCall } from "../observe/call_order.ts";
import { mermaid } from "../observe/diagram.ts";
import { Runs } from "../observe/runs.ts";
import {
  type CallInWords,
  callOf,
  inWords,
  lineOf,
  speakerOf,
} from "../observe/strace.ts";
import { noting, unfinished } from "../observe/traced.ts";
import { inOrder, observe } from "../observe/watch.ts";
import { type Write, writer } from "./print.ts";
import type { Settings } from "./settings.ts";

/** Starts to print; an experiment's own lines go through `write`. */
export function transcribe(settings: Settings) {
  const { role, trace, diagram, json, bytes, stepper } = settings;
  // The diagram alone goes to standard output, so that it can be piped.
  const print = diagram && !json ? console.error : console.log;
  const write = writer(settings, print);
  const calls: CallInWords[] = [];
  let more = 0;
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const notes = trace && json ? noting(bytes) : undefined;
  /** Those that have begun since the last lines, and wait. */
  const waiting = new Set<PendingCall>();

  const runs = new Runs((call) => {
    if (diagram && calls.length < DIAGRAM_LIMIT) calls.push(call);
    else more++;
    if (trace && !json && !stepper) text += `${lineOf(call)}\n`;
  });

  /** Writes the lines so far; a run that goes on is counted a while longer. */
  function flush(goesOn = false): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (goesOn && runs.counted > 0) timer = setTimeout(flush, COUNT_FOR);
    else runs.end();
    for (const call of waiting) {
      if (call.info?.end) {
        text += `${JSON.stringify(unfinished(call, "begins"))}\n`;
      }
    }
    waiting.clear();
    if (text) print(text.slice(0, -1));
    text = "";
  }

  const hooks: Hooks = notes && {
        began(call) {
          waiting.add(call);
          timer ??= setTimeout(flush, FLUSH_AFTER, true);
        },
        ended(call) {
          waiting.delete(call);
          notes.ended(call);
        },
      } || {};
  if (role !== "both") hooks.whose = () => role;
  if (stepper) {
    hooks.whose = stepper.whose;
    hooks.gate = stepper.gate;
    stepper.show = (call) => {
      flush();
      const words = unfinished(call, "held");
      if (json) print(JSON.stringify(words));
      else console.error(`next: ${speakerOf(words)} ${callOf(words)}`);
    };
  }

  const stop = observe((call) => {
    const words = notes ? notes.inWords(call) : inWords(call);
    runs.add(words);
    if (!trace) return;
    if (json) text += `${JSON.stringify(words)}\n`;
    else if (stepper) text += `${lineOf(words)}\n`;
    // To write each line by itself would cost more than the call.
    if (stepper || text.length > BUFFER_SIZE) flush(!stepper);
    else timer ??= setTimeout(flush, FLUSH_AFTER, true);
  }, hooks);

  function finish(): void {
    stop();
    flush();
    if (!diagram) return;
    const text = mermaid(calls, more);
    console.log(json ? JSON.stringify({ diagram: text }) : text);
  }

  return {
    write(...line: Parameters<Write>): void {
      const show = () =>
        inOrder(() => {
          flush();
          write(...line);
        });
      if (stepper) stepper.line(line[0], show);
      else show();
    },
    /** Prints the rest; resolves at once unless calls are held. */
    end(): void | Promise<void> {
      return stepper ? stepper.settled().then(finish) : finish();
    },
  };
}

/** A diagram of more calls could not be read. */
const DIAGRAM_LIMIT = 500;

/** Lines are written after so many characters, or so many ms. */
const BUFFER_SIZE = 65_536;
const FLUSH_AFTER = 20;

/** The rest of a run that goes on is shown after so many ms. */
const COUNT_FOR = 500;
