/**
 * Prints the socket calls of an experiment, as the command line asks: each as
 * it happens, or all of them as a diagram at the end.
 *
 * @module
 */
import { mermaid } from "../observe/diagram.ts";
import { type CallInWords, inWords, lineOf } from "../observe/strace.ts";
import { inOrder, observe } from "../observe/watch.ts";
import { type Write, writer } from "./print.ts";
import type { Settings } from "./settings.ts";

/** Where an experiment's own lines go, and what ends the printing. */
export interface Transcript {
  write: Write;
  end(): void;
}

/** Starts the printing. */
export function transcribe(settings: Settings): Transcript {
  const { trace, diagram, json } = settings;
  // The diagram has standard output for itself, so that it can be piped.
  const print = diagram && !json ? console.error : console.log;
  const write = writer(settings, print);
  const calls: CallInWords[] = [];
  let more = 0;
  let text = "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    if (text) print(text.slice(0, -1));
    text = "";
  }

  function late(): void {
    timer = undefined;
    flush();
  }

  const stop = observe((call) => {
    if (diagram && calls.length < MOST_DRAWN) calls.push(inWords(call));
    else more++;
    if (!trace) return;
    text += (json ? JSON.stringify(inWords(call)) : lineOf(call)) + "\n";
    // A write for each line would cost more than the call.
    if (text.length > MOST_KEPT) flush();
    else timer ??= setTimeout(late, LATEST);
  });

  return {
    write(...line) {
      inOrder(() => {
        flush();
        write(...line);
      });
    },
    end() {
      stop();
      if (timer !== undefined) clearTimeout(timer);
      flush();
      if (!diagram) return;
      const text = mermaid(calls, more);
      console.log(json ? JSON.stringify({ diagram: text }) : text);
    },
  };
}

/** More calls nobody could read. */
const MOST_DRAWN = 500;

/** When lines are printed: after so many characters, or so many ms. */
const MOST_KEPT = 65_536;
const LATEST = 20;
