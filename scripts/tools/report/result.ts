/**
 * Says in a report what its runs have shown, and nothing else.
 *
 * @module
 */
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import { contradiction, difference } from "../support/header.ts";
import { count, receives, sends } from "./calls.ts";
import { readQuiz, readStudy } from "./guided.ts";
import { type Block, type Inline, inline, paragraph } from "./prose.ts";
import type { GuidedRun, Made, Run } from "./run.ts";

/** Whether the aim is reached, and what each run adds to it. */
export function result(made: Made): { blocks: Block[] } {
  const { name, experiment, study, quiz } = made;
  const own = experiment?.source.name === name;
  return {
    blocks: [
      { kind: "text", text: verdict(made) },
      ...(study ? [paragraph(ofStudy(study))] : []),
      ...(quiz ? [paragraph(ofQuiz(quiz))] : []),
      ...(experiment && !own
        ? [{ kind: "text", text: ofExample(experiment) } as Block]
        : []),
      ...(own && experiment.processes && !experiment.processes.traced
        ? [paragraph("The calls of the run with both ends in one process:")]
        : []),
      ...(own ? ofRun(experiment.run) : []),
    ],
  };
}

/** Whether the output is what the header promises, and shows its fact. */
export function isReached(made: Made): boolean {
  const { header, experiment } = made;
  const printed = printedBy(made);
  return !experiment?.processes?.failed &&
    difference(header.output, printed) === null &&
    contradiction(header, printed) === null;
}

function printedBy({ name, experiment, study, quiz }: Made): string[] {
  return experiment?.source.name === name
    ? experiment.run.lines.map(({ end, line }) => `${end}: ${line}`)
    : (name === "study" ? study : quiz)!.lines;
}

/** What the output shows, by what the header promises. */
function verdict(made: Made): Inline {
  const { name, header, experiment } = made;
  const printed = printedBy(made);
  const promise = `the header of \`scripts/${name}.ts\` promises`;
  const differs = difference(header.output, printed);
  const failed = experiment?.processes?.failed;
  if (failed !== undefined && differs === null) {
    return inline(`${failed}, although its output is what ${promise}.`);
  }
  if (differs !== null) {
    const ended = failed ?? "The program ended without an error";
    return [
      ...inline(
        `${ended}${failed ? ", and the" : ", but its"} output is not what ` +
          `${promise}, so that the aim is not reached: `,
      ),
      { code: differs },
      ".",
    ];
  }
  const contradicts = contradiction(header, printed);
  if (contradicts !== null) {
    return [
      "This run has not shown what the experiment is about: ",
      { code: contradicts },
      ...inline(`. ${header.otherwise}`),
    ];
  }
  const [did] = header.aim.match(/(?<=^To ).*(?=\.$)/) ?? [];
  return inline(
    `The aim, to ${did}, is reached: the program ended without an error, and ` +
      `its output is what ${promise}.`,
  );
}

function ofExample({ source, run }: NonNullable<Made["experiment"]>): Inline {
  const printed = run.lines.map(({ end, line }) => `${end}: ${line}`);
  const differs = difference(source.output, printed);
  const ran = `The example, \`scripts/${source.name}.ts\`, ran with both ends`;
  return differs === null
    ? inline(`${ran}; its ${count(printed.length, "line")} are as expected.`)
    : [...inline(`${ran}, but not as expected: `), { code: differs }, "."];
}

function ofStudy({ lines }: GuidedRun): string {
  const steps = readStudy(lines);
  const states = steps.flatMap(({ states }) => states)
    .filter(({ reported }) => reported !== undefined);
  const wrong = states.filter(({ states, reported }) =>
    states.at(-1) !== reported
  );
  const compared = states.length === 0
    ? "The kernel's own states could not be read in this run."
    : wrong.length === 0
    ? `The kernel reported ${count(states.length, "state")} of the sockets ` +
      "after them, each the one that RFC 9293 gives."
    : `Of ${count(states.length, "state")} that the kernel reported after ` +
      `them, ${wrong.length} were others than RFC 9293 gives.`;
  return `The ${count(steps.length, "step")} of the study were made on a ` +
    `connection, from the first socket() to the last close(). ${compared}`;
}

function ofQuiz({ lines }: GuidedRun): string {
  const questions = readQuiz(lines);
  const wrong = questions.flatMap(({ why }, i) =>
    why.startsWith("The original key") ? [i + 1] : []
  );
  const proved = `Each of the ${questions.length} answers was proved by ` +
    "calls that were made for it.";
  return wrong.length === 0
    ? proved
    : `${proved} The original key has another answer to ${
      wrong.length > 1 ? "questions" : "question"
    } ${wrong.join(" and ")}, which the calls disprove.`;
}

/** The counts of a run, and what was particular in it. */
function ofRun({ calls, notes }: Run): Block[] {
  const rows = (["server", "client"] as const).map((end): Inline[] => {
    const own = calls.filter((call) => call.end === end);
    const bytes = (of: (call: Call) => boolean) =>
      own.filter(of).reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    return [
      [end === "server" ? "Server" : "Client"],
      ...[
        own.length,
        own.filter(({ error }) => error !== undefined).length,
        bytes(sends),
        bytes(receives),
      ].map((number) => [number.toLocaleString("en")]),
    ];
  });
  const head = ["End", "Calls", "Failed", "Bytes sent", "Bytes received"];
  const items: Inline[] = [
    connections(calls),
    ...failures(calls),
    ...notes.map((note) => ["On standard error: ", { code: note }]),
  ];
  return [
    { kind: "table", head: head.map(inline), rows },
    { kind: "list", items },
  ];
}

function connections(calls: Call[]): Inline {
  const of = (name: string) => calls.filter(({ call }) => call === name);
  const accepted = of("accept").filter(({ result }) => result !== undefined);
  const last = Math.max(...calls.map(({ time }) => time));
  const made = of("listen").length > 0
    ? `the server accepted ${count(accepted.length, "connection")}`
    : "datagrams need no connection, and none was made";
  return [
    `The last call ended ${last.toFixed(1)} ms after the start; ${made}.`,
  ];
}

/** The calls that failed, each kind once. */
function failures(calls: Call[]): Inline[] {
  const kinds = Map.groupBy(
    calls.filter(({ error }) => error !== undefined),
    ({ end, call, error, reason }) => [end, call, error, reason].join(" "),
  );
  return [...kinds.values()].map((alike) => {
    const [{ end, call, error = "", reason }] = alike;
    const times = alike.length > 1 ? ` ${alike.length} times` : "";
    return [
      { code: `${call}()` },
      ` of the ${end} failed${times} with `,
      { code: reason ? `${error} (${reason})` : error },
      "; the program went on.",
    ];
  });
}
