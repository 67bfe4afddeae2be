/**
 * Writes the content of a report, section by section, from the files and the
 * runs that it is about; markdown.ts and html.ts give it its form.
 *
 * @module
 */
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import type { Header } from "../support/header.ts";
import { excerpt } from "./calls.ts";
import { afterDefaults, type Detail } from "./details.ts";
import { questions, stepByStep } from "./guided.ts";
import {
  type Form,
  isProse,
  type PartName,
  readTheory,
  type SectionName,
  type Wanted,
} from "./headings.ts";
import {
  type Block,
  type Inline,
  inline,
  paragraph,
  readProse,
} from "./prose.ts";
import { ownPath, readTextFile } from "./files.ts";
import { citedIn, onlyCited } from "./references.ts";
import { result } from "./result.ts";
import type { Made } from "./run.ts";
import type { EndSource } from "./source.ts";
import { shortened, type Terminal } from "./terminal_window.ts";
import type { TwoProcesses } from "./two_processes.ts";

/** A part of a section, about one end or both. */
export interface Part {
  /** What it is, for its looks: `Server`, `Aim`, `Theory`. */
  readonly name: SectionName | PartName | "Theory";
  readonly heading: string;
  readonly blocks: Block[];
}

export interface Section extends Part {
  readonly parts: Part[];
}

export interface Report {
  readonly title: string;
  readonly details: Detail[];
  readonly sections: Section[];
  /** The runtime, and the command that makes the report. */
  readonly colophon: Inline;
}

/** The whole report, in the form given. */
export function contentOf(
  made: Made,
  { sections, parts }: Form,
  details: Detail[] = [],
): Report {
  const { name, header: { title }, command } = made;
  const { date, runtime } = (made.experiment?.run ?? made.study ?? made.quiz)!;
  const defaults = [
    { name: "Experiment", value: name },
    { name: "Date", value: dateOf(date) },
  ];
  return {
    title,
    details: afterDefaults(details, defaults),
    sections: withReferences(
      sections.map((wanted) => sectionOf(made, wanted, parts)),
    ),
    colophon: [
      `Run on ${dateOf(date)} with ${ranWith(made, runtime)}; made by `,
      { code: command },
    ],
  };
}

function ranWith({ experiment }: Made, runtime: string): string {
  if (!experiment?.processes) return runtime;
  const { server, client, traced } = experiment.processes;
  if (traced) return `${server.runtime} and ${client.runtime}`;
  return `${server.runtime} and ${client.runtime} (the output), and with ` +
    `${runtime} (the calls)`;
}

/** One section; of several under one heading, each is a part of it. */
function sectionOf(
  made: Made,
  { heading, items }: Wanted,
  partNames: Form["parts"],
): Section {
  const all = items.map((item): Section => {
    if (isProse(item)) {
      const { heading = "", blocks } = item;
      return { name: "Theory", heading, blocks, parts: [] };
    }
    const { blocks = [], parts = {}, runtimes = {} } = SAY[item](made);
    const found = [...partNames].flatMap(([name, own]) => {
      const blocks = parts[name];
      const heading = runtimes[name] ? `${own} – ${runtimes[name]}` : own;
      return blocks ? [{ name, heading, blocks }] : [];
    });
    return { name: item, heading: item, blocks, parts: found };
  });
  const [first] = all;
  if (all.length === 1) return { ...first, heading: heading ?? first.heading };
  const parts = all.flatMap(({ parts, ...part }) => [part, ...parts]);
  const joined = all.map(({ heading }) => heading).join(", ");
  return { name: "Theory", heading: heading ?? joined, blocks: [], parts };
}

/** The sections, whose references are those that they cite. */
function withReferences(sections: Section[]): Section[] {
  const all = sections.flatMap(({ blocks, parts }) => [
    ...blocks,
    ...parts.flatMap(({ blocks }) => blocks),
  ]);
  const cited = new Set(citedIn(all));
  if (cited.size === 0) return sections;
  const kept = <T extends Part>(part: T): T => ({
    ...part,
    blocks: onlyCited(part.blocks, cited),
  });
  return sections.map((section) => ({
    ...kept(section),
    parts: section.parts.map(kept),
  }));
}

interface Content {
  blocks?: Block[];
  parts?: Partial<Record<PartName, Block[]>>;
  /** What each part has run with, if they differ in that. */
  runtimes?: Partial<Record<PartName, string>>;
}

const SAY: Record<SectionName, (made: Made) => Content> = {
  "Aim": ({ header }) => ({ blocks: [paragraph(header.aim)] }),
  "Introduction": introduction,
  "Algorithm": ({ experiment }) => ({
    parts: {
      Server: [stepsOf(experiment!.source.server)],
      Client: [stepsOf(experiment!.source.client)],
    },
  }),
  "Program": program,
  "Output": output,
  "Sequence of calls": sequence,
  "Step by step": ({ study }) => ({
    blocks: stepByStep(study!.lines),
  }),
  "Questions": ({ quiz }) => ({
    blocks: questions(quiz!.lines),
  }),
  "Result": result,
};

function stepsOf({ steps }: EndSource): Block {
  return { kind: "steps", items: steps.map(inline) };
}

/** The fact and the header's prose; the kinds of sockets; the calls. */
function introduction({ name, header, experiment }: Made): Content {
  // The study and the quiz are about all sockets.
  if (experiment?.source.name !== name) return readTheory("introduction");
  const blocks = [factOf(header), ...header.prose].map(paragraph);
  const { processes, run: { calls } } = experiment;
  const run = processes && !processes.traced
    ? "a run with both ends in one process"
    : "this run";
  const kinds = new Set(
    calls.filter(({ call }) => call === "socket").map(({ args }) =>
      args.slice(0, 2).join(", ").replaceAll('"', "")
    ),
  );
  const sentences = [...kinds].map((kind) => {
    const [family, type] = kind.split(", ");
    return paragraph(
      `\`${kind}\`: ${TYPES[type]}. Its address is ${ADDRESSES[family]}.`,
    );
  });
  return {
    blocks: [
      ...blocks,
      ...sentences,
      paragraph(`The calls of ${run}, and how often each end made them:`),
      tableOfCalls(calls),
    ],
  };
}

/** What the header states after its title, as a sentence of its own. */
function factOf({ title, fact }: Header): string {
  const text = fact.slice(title.length + 2);
  return /^[a-z]+\(/.test(text) ? text : text[0].toUpperCase() + text.slice(1);
}

function tableOfCalls(calls: Call[]): Block {
  const datagrams = calls.some(({ args }) => args[1] === "SOCK_DGRAM");
  const names = new Set(calls.map(({ call }) => call));
  const rows = [...names].map((name): Inline[] => [
    [{ code: `${name}()` }],
    ...(["server", "client"] as const).map((end) => {
      const made = calls.filter((one) => one.call === name && one.end === end);
      return [made.length ? made.length.toLocaleString("en") : "–"];
    }),
    effectOf(name, datagrams),
  ]);
  const head = ["Call", "Server", "Client", "Effect"].map(inline);
  return { kind: "table", head, rows };
}

/** What a call does, in one line. */
export function effectOf(call: string, datagrams: boolean): Inline {
  effects ??= readProse(readTextFile(ownPath("effects.md"))).blocks
    .flatMap((one) => one.kind === "table" ? one.rows : []);
  const found = effects.find(([[name]]) => name === call);
  if (!found) return [`See the man page ${call}(2).`];
  const [, effect, other] = found;
  return datagrams && other.length > 0 ? other : effect;
}

let effects: Inline[][] | undefined;

const TYPES: Record<string, string> = {
  SOCK_STREAM:
    "a stream (TCP, over IP): a connection that carries bytes both ways, in order and " +
    "without loss, but knows no messages",
  SOCK_DGRAM: "UDP: datagrams that keep their boundaries and travel " +
    "independently, so that each may be lost",
};
const ADDRESSES: Record<string, string> = {
  AF_INET: "an IPv4 host and a port",
  AF_INET6: "an IPv6 host and a port",
  AF_UNIX: "a path, since both ends are on one machine",
};

function program({ experiment }: Made): Content {
  const { server, client, shared } = experiment!.source;
  const block = (text: string): Block[] => [{ kind: "program", text }];
  return {
    parts: {
      "Server": block(server.program),
      "Client": block(client.program),
      "Both ends": block(shared),
    },
  };
}

function output({ experiment, picture }: Made): Content {
  const { source, processes, run: { command, lines, calls } } = experiment!;
  const pictures: Block[] = picture === undefined
    ? []
    : [{ kind: "picture", file: picture, text: ["The output"] }];
  if (processes) return ofTwoProcesses(processes, pictures);
  const of = (end: "server" | "client"): Block[] => {
    const own = lines.filter((line) => line.end === end);
    const text = own.map(({ line }) => line).join("\n");
    return own.length > 0
      ? [{ kind: "terminal", text }]
      : [paragraph(`The ${end} prints nothing.`)];
  };
  const [, port] = source.shared.match(/\bport: (\d+)/) ?? [];
  const free = calls.some(({ call, args }) =>
    call === "bind" && args[0].endsWith(", 0)")
  );
  const alone =
    "The server takes a free port. Where each end runs alone, in a " +
    "terminal of its own (add `server` or `client`), it is ";
  return {
    blocks: [
      paragraph("Both ends, run by one command:"),
      { kind: "command", text: command },
      ...(port && free ? [paragraph(`${alone}${port}.`)] : []),
      ...pictures,
    ],
    parts: { Server: of("server"), Client: of("client") },
  };
}

function ofTwoProcesses(
  { server, client }: TwoProcesses,
  pictures: Block[],
): Content {
  const of = ({ command, lines }: Terminal): Block[] => [
    { kind: "terminal", typed: command, text: lines.join("\n") },
  ];
  const stopped = server.lines.some((line) => line.startsWith("^C"))
    ? "; `^C` is Ctrl-C, which stops the server"
    : "";
  return {
    blocks: [
      paragraph(
        `Two processes, each in a terminal of its own${stopped}:`,
      ),
      ...pictures,
    ],
    parts: { Server: of(server), Client: of(client) },
    runtimes: { Server: server.runtime, Client: client.runtime },
  };
}

/** What a picture of the output shows. */
export function terminalsOf({ experiment, study, quiz }: Made): Terminal[] {
  const { processes } = experiment ?? {};
  if (processes) return [processes.server, processes.client];
  const { command, runtime, lines } = (experiment?.run ?? study ?? quiz)!;
  return [{
    title: command.match(/\w+(?=\.ts)/)![0],
    runtime: runtime.match(/^\w+ [\w.]+/)![0],
    command,
    lines: shortened(
      lines.map((line) =>
        typeof line === "string" ? line : `${line.end}: ${line.line}`
      ),
    ),
  }];
}

/** The calls; of a long run some, and a line that says so. */
function sequence({ experiment }: Made): Content {
  const { processes, run: { calls, command } } = experiment!;
  const { rows, leftOut } = excerpt(calls);
  const cut = `${leftOut}; \`${command} --trace\` prints all.`;
  return {
    blocks: [
      ...(processes?.traced ? [paragraph(MERGED)] : []),
      ...(processes && !processes.traced
        ? [paragraph(`${ORDER} (\`${command}\`).`)]
        : []),
      ...(leftOut ? [paragraph(cut)] : []),
      { kind: "calls", rows },
    ],
  };
}

const ORDER = "The calls of two processes have no common clock, and so no " +
  "common order: these are from a run with both ends in one process";

const MERGED =
  "The calls of both processes in one order: nothing is received " +
  "before it was sent, and else the clock of the machine decides.";

/** `20 November 2026`. */
export function dateOf(date: Date): string {
  return date.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
  });
}
