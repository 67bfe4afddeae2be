/**
 * Writes the content of a report, section by section, from the experiment's file
 * and one run of it; markdown.ts and html.ts give it its form.
 *
 * @module
 */
import type { CallInWords as Call } from "../../../lib/observe/strace.ts";
import { difference } from "../support/header.ts";
import { count, meaningOf, receives, sends } from "./calls.ts";
import {
  HEADINGS,
  type Headings,
  type PartName,
  type SectionName,
} from "./headings.ts";
import type { Run } from "./run.ts";
import type { EndSource, Source } from "./source.ts";

/** Prose with code in it; what a run has printed is always code. */
export type Inline = (string | { code: string })[];

/** A piece of a section. */
export type Block =
  | { kind: "text"; text: Inline }
  | { kind: "list" | "steps"; items: Inline[] }
  | { kind: "table"; head: string[]; rows: Inline[][] }
  | { kind: "command" | "program" | "terminal"; text: string }
  | { kind: "calls"; calls: Call[] };

/** A part of a section, about one end or both. */
export interface Part {
  readonly name: SectionName | PartName;
  readonly heading: string;
  readonly blocks: Block[];
}

export interface Section extends Part {
  readonly parts: Part[];
}

export interface Report {
  readonly name: string;
  readonly title: string;
  readonly date: Date;
  readonly sections: Section[];
  /** The runtime, and the command that makes the report. */
  readonly colophon: Inline;
}

/** What a report is made from. */
export interface Made {
  readonly source: Source;
  readonly run: Run;
  readonly command: string;
}

/** The whole report, under the headings given. */
export function contentOf(
  made: Made,
  { sections, parts }: Headings = HEADINGS,
): Report {
  const { source: { name }, run: { date, runtime } } = made;
  return {
    name,
    title: titleOf(name),
    date,
    sections: [...sections].map(([name, heading]) => {
      const content = SAY[name](made);
      const found = [...parts].flatMap(([name, heading]) => {
        const blocks = content.parts?.[name];
        return blocks ? [{ name, heading, blocks }] : [];
      });
      return { name, heading, blocks: content.blocks ?? [], parts: found };
    }),
    colophon: [
      `Run on ${dateOf(date)} with ${runtime}; made by `,
      { code: made.command },
    ],
  };
}

interface Content {
  blocks?: Block[];
  parts?: Partial<Record<PartName, Block[]>>;
}

const SAY: Record<SectionName, (made: Made) => Content> = {
  "Aim": ({ source }) => ({ blocks: [prose(source.aim)] }),
  "Introduction": introduction,
  "Algorithm": ({ source: { server, client } }) => ({
    parts: { Server: [stepsOf(server)], Client: [stepsOf(client)] },
  }),
  "Program": ({ source: { server, client, shared } }) => ({
    parts: {
      "Server": [{ kind: "program", text: server.program }],
      "Client": [{ kind: "program", text: client.program }],
      "Both ends": [{ kind: "program", text: shared }],
    },
  }),
  "Output": output,
  "Sequence of calls": ({ run: { calls } }) => ({
    blocks: [{ kind: "calls", calls }],
  }),
  "Result": result,
};

/** A paragraph in which code stands between backticks. */
function prose(text: string): Block {
  return { kind: "text", text: inline(text) };
}

function inline(text: string): Inline {
  const parts = text.split(/`([^`]+)`/);
  return parts.map((part, i) => i % 2 === 0 ? part : { code: part })
    .filter((part) => part !== "");
}

function stepsOf({ steps }: EndSource): Block {
  return { kind: "steps", items: steps.map(inline) };
}

/** The other paragraphs of the header; the kinds of sockets; the calls. */
function introduction({ source, run: { calls } }: Made): Content {
  const kinds = new Set(
    calls.filter(({ call }) => call === "socket").map(({ args }) =>
      args.slice(0, 2).join(", ").replaceAll('"', "")
    ),
  );
  const datagrams = [...kinds].some((kind) => kind.includes("SOCK_DGRAM"));
  const names = new Set(calls.map(({ call }) => call));
  const rows = [...names].map((name): Inline[] => [
    [{ code: `${name}()` }],
    ...(["server", "client"] as const).map((end) => {
      const made = calls.filter((one) => one.call === name && one.end === end);
      return [made.length ? made.length.toLocaleString("en") : "–"];
    }),
    [meaningOf(name, datagrams)],
  ]);
  return {
    blocks: [
      ...source.prose.map(prose),
      ...[...kinds].map((kind) => {
        const [family, type] = kind.split(", ");
        return prose(
          `\`${kind}\`: ${TYPES[type]}. Its address is ${ADDRESSES[family]}.`,
        );
      }),
      prose("The calls of this run, and how often each end made them:"),
      { kind: "table", head: ["Call", "Server", "Client", "Effect"], rows },
    ],
  };
}

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

function output({ source, run: { command, lines, calls } }: Made): Content {
  const of = (end: "server" | "client"): Block[] => {
    const own = lines.filter((line) => line.end === end);
    const text = own.map(({ line }) => line).join("\n");
    return own.length > 0
      ? [{ kind: "terminal", text }]
      : [prose(`The ${end} prints nothing.`)];
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
      prose("Both ends, run by one command:"),
      { kind: "command", text: command },
      ...(port && free ? [prose(`${alone}${port}.`)] : []),
    ],
    parts: { Server: of("server"), Client: of("client") },
  };
}

/** What the run showed, and nothing else. */
function result({ source, run: { calls, lines, notes } }: Made): Content {
  const printed = lines.map(({ end, line }) => `${end}: ${line}`);
  const differs = difference(source.output, printed);
  const header = `the header of \`scripts/${source.name}.ts\` promises`;
  const reached = differs === null
    ? inline(
      "The aim is reached: both ends ended well, and the " +
        `${count(printed.length, "line")} that they printed are those that ` +
        `${header}.`,
    )
    : [
      ...inline(
        `Both ends ended well, but what they printed is not what ${header}: `,
      ),
      { code: differs },
      ".",
    ];
  const bytes = (some: Call[]) =>
    some.reduce((sum, call) => sum + (call.bytes ?? 0), 0);
  const rows = (["server", "client"] as const).map((end): Inline[] => {
    const own = calls.filter((call) => call.end === end);
    const failed = own.filter(({ error }) => error !== undefined);
    return [
      [end === "server" ? "Server" : "Client"],
      ...[
        own.length,
        failed.length,
        bytes(own.filter(sends)),
        bytes(own.filter(receives)),
      ].map((number) => [number.toLocaleString("en")]),
    ];
  });
  const head = ["End", "Calls", "Failed", "Bytes sent", "Bytes received"];
  const items: Inline[] = [
    connections(calls),
    ...failures(calls),
    ...notes.map((note) => ["On standard error: ", { code: note }]),
  ];
  return {
    blocks: [
      { kind: "text", text: reached },
      { kind: "table", head, rows },
      { kind: "list", items },
    ],
  };
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
    if (end === "server" && error === "EBADF") {
      return inline(
        "A stop ended the server: it closed the socket on which " +
          `\`${call}()\` waited (\`EBADF\`).`,
      );
    }
    const times = alike.length > 1 ? ` ${alike.length} times` : "";
    return [
      { code: `${call}()` },
      ` of the ${end} failed${times} with `,
      { code: reason ? `${error} (${reason})` : error },
      "; the program went on.",
    ];
  });
}

/** `tcp_half_close` as `TCP half close`. */
function titleOf(name: string): string {
  const [first, ...rest] = name.split("_");
  const subject = /^(tcp|udp|unix)$/.test(first)
    ? first.toUpperCase()
    : first[0].toUpperCase() + first.slice(1);
  return [subject, ...rest].join(" ");
}

/** `20 November 2026`. */
export function dateOf(date: Date): string {
  return date.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
  });
}
