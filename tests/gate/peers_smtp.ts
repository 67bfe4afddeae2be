/**
 * SMTP with programs that others have written: clients of smtp_mail's server, and
 * servers for its client.
 */
import { expect, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import type { Mail } from "../../lib/protocols/smtp_session.ts";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import {
  aiosmtpd,
  missing,
  noAiosmtpd,
  SINK,
  SOURCE,
} from "../peers/smtp_programs.ts";
import { clientOn, serverOn } from "../support/ends.ts";
import * as fuzz from "../support/fuzz_smtp.ts";
import {
  commandFor,
  find,
  python,
  pythonCommand,
  run,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

for (const check of [fuzz.fuzzSessions, fuzz.fuzzLetters, fuzz.fuzzLines]) {
  test(`${check.name}, 100,000 times`, () => check(100_000), 300_000);
}

/** What all clients send: each dot is at a place where it could be lost. */
const TEXT = ".\n..\n.x\nb\u00f6b\n\nlast\n";
/** The same as it arrives, in latin1. */
const ARRIVED = ".\r\n..\r\n.x\r\nb\xc3\xb6b\r\n\r\nlast\r\n";
const LETTER = `Subject: s\nFrom: ann@a.test\nTo: carol@lab.test\n\n${TEXT}`;

/** A client's command for a port and a recipient, and how it says 550. */
const CLIENTS: Record<
  string,
  {
    command(port: string, to: string): string[];
    input: string;
    refused: number;
  }
> = {
  swaks: {
    command: (port, to) => [
      ...["swaks", "--silent", "2", "--helo", "h", "--from", "ann@a.test"],
      ...["--server", `127.0.0.1:${port}`, "--to", to, "--data", "-"],
    ],
    input: LETTER,
    refused: 24,
  },
  "swaks --pipeline": {
    command: (port, to) => [
      ...CLIENTS.swaks.command(port, to),
      "--pipeline",
    ],
    input: LETTER,
    refused: 24,
  },
  msmtp: {
    command: (port, to) => [
      ...["msmtp", "--host=127.0.0.1", `--port=${port}`, "--from=ann@a.test"],
      ...["--tls=off", "--auth=off", "--domain=h", to],
    ],
    input: LETTER,
    refused: 65, // EX_DATAERR
  },
  "s-nail": {
    command: (port, to) => [
      ...["s-nail", "-:/", "-Sv15-compat", `-Smta=smtp://127.0.0.1:${port}`],
      ...["-Ssmtp-auth=none", "-Sfrom=ann@a.test", "-Shostname=h"],
      ...["-Ssendwait", "-Snosave", "-Sttycharset=utf-8"],
      ...["-Smime-encoding=8bit", "-s", "s", to],
    ],
    input: TEXT,
    refused: 4,
  },
  curl: {
    command: (port, to) => [
      ...["curl", "-s", "--crlf", `smtp://127.0.0.1:${port}/h`, "-T", "-"],
      ...["--mail-from", "ann@a.test", "--mail-rcpt", to],
    ],
    input: LETTER,
    refused: 55,
  },
};

/** A folder for a test, which is removed at its end. */
function temporary() {
  const path = mkdtempSync(`${tmpdir()}/smtp-`);
  return {
    path,
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** Runs a command with a text as its input. */
function fed(command: string[], input: string, folder: string) {
  const file = `${folder}/input`;
  writeFileSync(file, input);
  const line = ["sh", "-c", 'exec "$@" <"$0"', file, ...command];
  return run(line, { cwd: folder, env: { HOME: folder } });
}

/** A server of a runtime that prints what it gets, as JSON. */
async function recorder(program: string[]) {
  const server = start(program, { cwd: ROOT });
  const [, port] = await server.said(/^port (\d+)/m);
  const mails = async (): Promise<Mail[]> => {
    server.kill();
    const { stdout } = await server.finished;
    return stdout.trim().split("\n").slice(1).map((line) => JSON.parse(line));
  };
  return { port, mails };
}

for (const runtime of RUNTIMES) {
  const without = find(runtime).reason;
  const record = () =>
    recorder([...commandFor(runtime, ["-A"]), "tests/peers/smtp_serve.ts"]);

  for (const [name, { command, input, refused }] of Object.entries(CLIENTS)) {
    const reason = without ?? missing(name.split(" ")[0]);
    needing(reason, `${name} sends mails to ${runtime}`, async () => {
      using folder = temporary();
      const { port, mails } = await record();
      const to = async (mailbox: string) => {
        const client = command(port, mailbox);
        return (await fed(client, input, folder.path)).code;
      };
      expect(await to("bob@lab.test")).toBe(0);
      expect(await to("eve@example.com")).toBe(refused);
      expect(await to("Bob+x@LAB.test")).toBe(0);
      const all = await mails();
      expect(all.map(({ sender, recipients }) => [sender, recipients])).toEqual(
        [
          ["ann@a.test", ["bob@lab.test"]],
          ["ann@a.test", ["Bob+x@lab.test"]],
        ],
      );
      for (const { letter } of all) {
        // swaks ends the letter with an empty line.
        const [, text] = String(letter).match(
          /\r\n\r\n([^]*?\nlast\r\n)(\r\n)?$/,
        )!;
        expect(text).toBe(ARRIVED);
      }
    });
  }

  needing(without ?? python().reason, `smtplib and ${runtime}`, async () => {
    const { port, mails } = await record();
    const client = [...pythonCommand("tests/peers/smtp.py"), "send", port];
    const { code, stdout, stderr } = await run(client, { cwd: ROOT });
    expect([code, stderr]).toEqual([0, ""]);
    const no = "(550, b'Only lab.test is here')";
    expect(stdout.split("\n")).toEqual([
      "[('8bitmime', ''), ('pipelining', ''), ('size', '1048576')]",
      "{}",
      `{'eve@example.com': ${no}}`,
      "{}",
      `{'eve@example.com': ${no}}`,
      `{'eve%example.com@lab.test': ${no}}`,
      "552",
      "250 252 b'EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT'",
      "",
    ]);
    const all = await mails();
    expect(all).toHaveLength(3);
    for (const { letter } of all) {
      expect(letter).toEqual(`To: carol@lab.test\r\n\r\n${ARRIVED}` as never);
    }
  });

  const noSource = without ?? missing(SOURCE, "postfix");
  needing(noSource, `1,000 mails in 10 sessions to ${runtime}`, async () => {
    const { port, stop } = await serverOn("smtp_mail", runtime);
    const source = [SOURCE, "-s", "10", "-f", "a@b.test", "-t", "bob@lab.test"];
    for (const more of [["-m", "1000"], ["-m", "1000", "-d", "-l", "20000"]]) {
      const { code, stderr } = await run([
        ...source,
        ...more,
        `127.0.0.1:${port}`,
      ]);
      expect([code, stderr]).toEqual([0, ""]);
    }
    const lines = (await stop()).trim().split("\n");
    expect(lines).toHaveLength(2000);
    for (const line of lines) {
      expect(line).toMatch(/^For bob@lab\.test: \d+ bytes that say "To: /);
    }
  });

  needing(without ?? noAiosmtpd, `${runtime} sends to aiosmtpd`, async () => {
    const { port, mails } = await recorder(aiosmtpd());
    const printed = await clientOn("smtp_mail", runtime, port);
    expect(printed).toMatch(
      /^220 aiosmtpd\.test .*\nEHLO client\.lab\.test -> 250 aiosmtpd\.test\n/,
    );
    expect(printed).toMatch(/-> 250 Taken\nQUIT -> 221 .*\n$/);
    const [{ sender, recipients, letter }] = await mails();
    expect([sender, recipients]).toEqual([
      "ann@lab.test",
      ["bob@lab.test", "eve@example.com"],
    ]);
    expect(letter).toMatch(
      /^To: carol@lab\.test\r\n(.+\r\n)+\r\nWho reads this\?\r\n$/,
    );
  });

  needing(
    without ?? missing(SINK, "postfix"),
    `${runtime} sends to smtp-sink`,
    async () => {
      using folder = temporary();
      chmodSync(folder.path, 0o777);
      const port = await freePort();
      // It does not run as root.
      const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
      const flags = [...user, "-d", `${folder.path}/%M.`, `127.0.0.1:${port}`];
      const sink = start([SINK, ...flags, "10"]);
      const listens = async () =>
        await Bun.connect({
          ...{ hostname: "127.0.0.1", port, socket: { data() {} } },
        }).then((socket) => !socket.end(), () => false);
      while (!await listens()) await Bun.sleep(20);
      const printed = await clientOn("smtp_mail", runtime, port);
      expect(printed).toMatch(/-> 250 2\.0\.0 Ok\nQUIT -> 221 Bye\n$/);
      sink.kill();
      await sink.finished;
      const [file] = readdirSync(folder.path);
      const mail = readFileSync(`${folder.path}/${file}`, "utf8");
      expect(mail).toMatch(/^X-Mail-Args: <ann@lab\.test>\n/m);
      expect(mail).toMatch(
        /\nTo: carol@lab\.test\n(.+\n)+\nWho reads this\?\n/,
      );
    },
  );
}
