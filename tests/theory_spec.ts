/**
 * The theory of the reports: only the Markdown that a report reads, and no
 * name, reference or figure that the project itself does not confirm.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as sockets from "../lib/sockets/mod.ts";
import { portOf } from "../lib/sockets/names.ts";
import { ROOT, SCRIPTS } from "./support/scripts.ts";

const FOLDER = "scripts/tools/report/theory";
const FILES = readdirSync(join(ROOT, FOLDER)).sort();
const TEXTS = new Map(FILES.map((file) => [file, read(`${FOLDER}/${file}`)]));
const TABLES_OF_CALLS = [
  "server_calls.md",
  "client_calls.md",
  "shared_calls.md",
];

/** What the theory names, though it is Python's or C's alone. */
const ELSEWHERE = {
  calls: ["encode", "getaddrinfo", "htons", "ntohs"],
  constants: [
    "AF_X25",
    "INADDR_ANY",
    "INADDR_BROADCAST",
    "PF_INET",
    "SO_RCVTIMEO",
  ],
  words: ["await"],
};

/** Figures of standards, which no code of the lab repeats. */
const STANDARD = ["128", "1023", "1024", "49151", "49152", "65535"];

/** The other figures, and where they come from. */
const FIGURES: Record<string, { file: string; says: RegExp }> = {
  "40": { file: "scripts/tcp_nodelay.ts", says: /take 40 ms/ },
  "60": { file: "scripts/study.ts", says: /for 60 s on Linux/ },
  "300": { file: "scripts/tcp_concurrent.ts", says: /waited <300> ms/ },
  "3000": { file: "scripts/tcp_hello.ts", says: /port: 3000,/ },
  "4096": { file: "lib/sockets/stream_socket.ts", says: /backlog = 4096/ },
  "8000": { file: "scripts/tcp_time.ts", says: /port: 8000,/ },
  "9999": { file: "scripts/tcp_thank_you.ts", says: /port: 9999,/ },
  "65507": { file: "lib/sockets/datagram_socket.ts", says: /\? 65507/ },
};

/** The services of each use, in the order of their ports. */
const USES: Record<string, string[]> = {
  web: ["http", "https"],
  "file transfer": ["ftp"],
  mail: ["smtp"],
  names: ["domain", "domain"],
  time: ["ntp"],
  logs: ["syslog"],
};

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8").replaceAll("\r\n", "\n");
}

function textOf(file: string): string {
  return TEXTS.get(file) ?? "";
}

/** The code between backticks. */
function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

function withoutCode(text: string): string {
  return text.replace(/`[^`]*`/g, "");
}

/** The calls in code: `close()`, and `bind` of `s.bind(address)`. */
function callsIn(text: string): string[] {
  return codeIn(text).flatMap((code) =>
    [...code.matchAll(/(\w+)\(/g)].map(([, name]) => name)
  );
}

/** The keys of references in brackets, without the section behind a comma. */
function referencesIn(text: string): string[] {
  return [...withoutCode(text).matchAll(/\[([^\]]+)\]/g)]
    .map(([, key]) => key.replace(/\s+/g, " ").replace(/,.*/, ""));
}

/** The rows of all tables, as cells, without heads and rules. */
function rowsIn(text: string): string[][] {
  return tablesIn(text).flatMap(([, , ...rows]) => rows);
}

function tablesIn(text: string): string[][][] {
  return [...text.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) =>
    table.trimEnd().split("\n").map((line) =>
      line.slice(1, -1).split("|").map((cell) => cell.trim())
    )
  );
}

const methods = [sockets.StreamSocket, sockets.DatagramSocket].flatMap((kind) =>
  Object.getOwnPropertyNames(kind.prototype)
).filter((name) => name !== "constructor");
const known = (name: string) => methods.includes(name) || name in sockets;

describe("the form of the theory", () => {
  test("it has the sections that a report takes by name", () => {
    expect(FILES).toEqual([
      "addresses_and_ports.md",
      "client_calls.md",
      "client_server_model.md",
      "introduction.md",
      "references.md",
      "server_calls.md",
      "shared_calls.md",
      "sockets.md",
      "states.md",
      "stream_and_datagram.md",
      "tcp_ip.md",
      "use_cases.md",
    ]);
  });

  for (const [file, text] of TEXTS) {
    test(`${file} is Markdown that a report reads`, () => {
      const [first, ...lines] = text.trimEnd().split("\n");
      expect(first).toMatch(/^# \S/);
      let before = "";
      for (const line of lines) {
        const item = /^(- |\d\. )\S/.test(line);
        const goesOn = /^ {2,3}\S/.test(line) &&
          /^(- |\d\. | {2})/.test(before);
        const plain = /^[A-Z`"(a-z[\d]/.test(line) && !/^\d+[.)]/.test(line);
        const whole = line === "" || /^## \S/.test(line) ||
          /^\|.*\|$/.test(line);
        if (!item && !goesOn && !plain && !whole) {
          throw new Error(`${file}: what is "${line}"?`);
        }
        before = line;
      }
      for (const paragraph of text.split(/\n\n+/)) {
        expect(paragraph.split("`").length % 2).toBe(1);
      }
      expect(withoutCode(text)).not.toMatch(/[*_<>\\]|\]\(|!\[|&\w+;/);
      if (file !== "references.md") expect(text).not.toMatch(/https?:/);
    });

    test(`${file} has tables with as many cells in each row`, () => {
      for (const [head, rule, ...rows] of tablesIn(text)) {
        expect(rule.every((cell) => /^-{3,}$/.test(cell))).toBe(true);
        expect(rows.length).toBeGreaterThan(1);
        for (const row of rows) expect(row.length).toBe(head.length);
      }
    });

    test(`${file} has lines of at most 80 columns, but for rows`, () => {
      const lines = text.split("\n").filter((line) => !line.startsWith("|"));
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    });

    if (file === "references.md") continue;
    test(`${file} has 60 to 220 words beside its tables`, () => {
      const words = text.replace(/^[|#].*$/gm, "").match(/\S+/g)!.length;
      expect(words).toBeGreaterThanOrEqual(60);
      expect(words).toBeLessThanOrEqual(220);
    });
  }
});

describe("what the theory says", () => {
  const all = [...TEXTS.values()].join("\n");
  const sections = FILES.filter((file) => file !== "references.md");

  test("every reference is in the list, and every one of the list is used", () => {
    const listed = [...textOf("references.md").matchAll(/^- \[([^\]]+)\]/gm)]
      .map(([, key]) => key);
    const used = sections.flatMap((file) => referencesIn(textOf(file)));
    expect(listed.length).toBe(new Set(listed).size);
    expect([...new Set(used)].sort()).toEqual(listed.sort());
  });

  test("every call exists here, or is declared as Python's or C's", () => {
    const unknown = callsIn(all).filter((name) => !known(name));
    expect([...new Set(unknown)].sort()).toEqual(ELSEWHERE.calls);
  });

  test("the tables have every call of both kinds of socket", () => {
    const listed = TABLES_OF_CALLS.flatMap((file) =>
      rowsIn(textOf(file)).flatMap(([call]) => callsIn(call))
    );
    expect(methods.filter((name) => !listed.includes(name))).toEqual([]);
    expect(listed.filter((name) => !known(name))).toEqual([]);
  });

  test("every error is one that the sockets give", () => {
    const files = readdirSync(join(ROOT, "lib/sockets"))
      .filter((file) => file.endsWith(".ts"));
    const source = files.map((file) => read(`lib/sockets/${file}`)).join("\n");
    const codes = all.match(/\bE(?!STABLISHED)[A-Z]{4,}\b/g)!;
    expect(codes.length).toBeGreaterThan(10);
    expect(
      codes.filter((code) => !source.includes(`"${code}"`))
        .filter((code) => !source.includes(`${code}:`)),
    ).toEqual([]);
  });

  test("every experiment, constant and file exists", () => {
    const spans = codeIn(all);
    const experiments = SCRIPTS.map((file) => file.replace(".ts", ""));
    const words = spans.filter((span) => /^[A-Z]?[a-z_]+$/.test(span));
    const others = words.filter((word) =>
      !experiments.includes(word) && !(word in sockets)
    );
    expect([...new Set(others)].sort()).toEqual(ELSEWHERE.words);
    const options = ["datagram", "runtime"]
      .map((name) => read(`lib/sockets/runtimes/${name}.ts`)).join("\n");
    const constants = spans.join(" ").match(/\b[A-Z]+_\w+\b/g)!;
    const foreign = constants.filter((name) =>
      !(name in sockets) && !options.includes(`"${name}"`)
    );
    expect([...new Set(foreign)].sort()).toEqual(ELSEWHERE.constants);
    const files = spans.filter((span) => span.endsWith(".ts"));
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test("every port of an experiment is its own", () => {
    const named = [...all.matchAll(/`(\w+)`\s+\(port\s+(\d+)\)/g)];
    expect(named.length).toBe(4);
    for (const [, name, port] of named) {
      expect(read(`scripts/${name}.ts`)).toContain(`port: ${port},`);
    }
  });

  test("every port of a service is the one that parseAddress() gives", () => {
    const ports = rowsIn(textOf("use_cases.md")).map(([use, , transport]) =>
      [
        use,
        [...transport.matchAll(/(?:TCP|UDP) (\d+)/g)].map(([, n]) => Number(n)),
      ] as const
    ).filter(([, numbers]) => numbers.length > 0);
    const expected = Object.entries(USES).map(([use, services]) =>
      [use, services.map(portOf)] as const
    );
    expect(ports).toEqual(expected);
  });

  test("every other figure has a source", () => {
    const prose = sections.filter((file) => file !== "use_cases.md")
      .map((file) => withoutCode(textOf(file)).replace(/\[[^\]]*\]/g, ""))
      .join("\n");
    const numbers = new Set(prose.match(/\b\d{3,}\b/g));
    for (const number of STANDARD) expect(numbers).toContain(number);
    const figures = [...numbers].filter((number) => !STANDARD.includes(number));
    const sourced = Object.keys(FIGURES).filter((figure) => figure.length > 2);
    expect(figures.sort()).toEqual(sourced.sort());
    for (const { file, says } of Object.values(FIGURES)) {
      expect(read(file)).toMatch(says);
    }
    expect(textOf("states.md")).toMatch(/Linux\s+waits for 60 s/);
    expect(textOf("shared_calls.md")).toMatch(/take\s+40 ms on Linux/);
  });

  test("the queue of tcp_backlog is as long as its header says", () => {
    expect(read("scripts/tcp_backlog.ts")).toMatch(
      /to 6\s+\* clients on Linux/,
    );
    expect(textOf("server_calls.md")).toMatch(
      /With\s+5,\s+`tcp_backlog`\s+shows\s+6\s+clients\s+on\s+Linux/,
    );
  });

  test("every form of a host becomes what `names` prints", () => {
    const header = read("scripts/names.ts");
    const rows = rowsIn(textOf("addresses_and_ports.md"))
      .filter(([host]) => host.startsWith("`"));
    expect(rows.length).toBe(6);
    for (const [host, becomes] of rows) {
      const [form] = codeIn(host);
      const [address] = [...codeIn(becomes), form.replaceAll('"', "")];
      expect(header).toContain(
        `client: ${form} and 8000: ('${address}', 8000)`,
      );
    }
  });

  test("the states have each change that `study` shows", () => {
    const states = new Map(
      rowsIn(textOf("states.md")).map(([state, , events]) => [state, events]),
    );
    expect(states.size).toBe(11);
    const changes = [
      ...read("scripts/study.ts")
        .matchAll(/^ {2}"([A-Z\d-]+) (\S+)": "([A-Z\d-]+)",$/gm),
    ];
    expect(changes.length).toBe(12);
    for (const [, state, event, next] of changes) {
      const call = /^[a-z]/.test(event);
      const said = states.get(state)!.split("; ").some((change) => {
        const [cause, to] = change.split(": ");
        const causes = call ? callsIn(cause) : [cause];
        return causes.includes(event) && to === next;
      });
      if (!said) throw new Error(`${state}, ${event}: no ${next}`);
    }
    const targets = [...states.values()].flatMap((events) =>
      [...events.matchAll(/: ([A-Z\d-]+)(;|$)/g)].map(([, to]) => to)
    );
    expect([...new Set(targets)].sort()).toEqual([...states.keys()].sort());
  });
});
