/**
 * Prints the socket calls of an experiment: each when it is made, or all of
 * them as a diagram at the end. Loaded only for `--trace` and `--diagram`.
 *
 * @module
 */
import { mermaid } from "../observe/diagram.ts";
import { Runs } from "../observe/runs.ts";
import { type CallInWords, inWords, lineOf } from "../observe/strace.ts";
import { inOrder, observe } from "../observe/watch.ts";
import { type Write, writer } from "./print.ts";
import type { Settings } from "./settings.ts";

/** Starts to print; an experiment's own lines go through `write`. */
export function transcribe(settings: Settings) {
  const { trace, diagram, json } = settings;
  // The diagram alone goes to standard output, so that it can be piped.
  const print = diagram && !json ? console.error : console.log;
  const write = writer(settings, print);
  const calls: CallInWords[] = [];
  let more = 0;
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  const runs = new Runs((call) => {
    if (diagram && calls.length < DIAGRAM_LIMIT) calls.push(call);
    else more++;
    if (trace && !json) text += `${lineOf(call)}\n`;
  });

  /** Writes the lines so far; a run that goes on is counted a while longer. */
  function flush(goesOn = false): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (goesOn && runs.counted > 0) timer = setTimeout(flush, COUNT_FOR);
    else runs.end();
    if (text) print(text.slice(0, -1));
    text = "";
  }

  const stop = observe((call) => {
    const words = inWords(call);
    runs.add(words);
    if (!trace) return;
    if (json) text += `${JSON.stringify(words)}\n`;
    // To write each line by itself would cost more than the call.
    if (text.length > BUFFER_SIZE) flush(true);
    else timer ??= setTimeout(flush, FLUSH_AFTER, true);
  });

  return {
    write(...line: Parameters<Write>): void {
      inOrder(() => {
        flush();
        write(...line);
      });
    },
    end(): void {
      stop();
      flush();
      if (!diagram) return;
      const text = mermaid(calls, more);
      console.log(json ? JSON.stringify({ diagram: text }) : text);
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
