/**
 * FTP with programs that others have written: clients of ftp_files' server, and
 * servers for its client, each in passive and in active mode.
 */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import {
  folder,
  missing,
  noPyftpdlib,
  noVsftpd,
  plantTree,
  pyftpdlib,
  vsftpd,
} from "../peers/ftp.ts";
import { clientOn, command } from "../support/ends.ts";
import {
  find,
  python,
  pythonCommand,
  run,
  type RuntimeName,
  RUNTIMES,
  start,
} from "../support/runtimes.ts";
import { ROOT } from "../support/scripts.ts";
import { needing } from "../support/test_on.ts";

const ALLOWED = ["--allow-net", "--allow-read", "--allow-write"];
/** A thousand files take a minute on a busy machine, in ms. */
const LIMIT = 300_000;
const BIG = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 3);

/** A server with an inbox, and a folder for a client with a file in it. */
async function served(runtime: RuntimeName) {
  const [inbox, own] = [folder(), folder()];
  const flags = ["server", "--port", "0", "--inbox", inbox.path];
  const words = command("ftp_files", runtime, flags, ALLOWED);
  const server = start(words, { limit: LIMIT });
  const [, port] = await server.said(/Listening on [\d.]+:(\d+)/);
  writeFileSync(`${own.path}/big`, BIG);
  return {
    port,
    inbox: inbox.path,
    own: own.path,
    url: `ftp://lab:lab@127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.kill("SIGINT");
      expect((await server.finished).code).toBe(0);
      for (const each of [inbox, own]) each[Symbol.dispose]();
    },
  };
}

/** Runs a command in a folder; it must succeed. */
async function shell(cwd: string, ...words: string[]): Promise<string> {
  const env = { HOME: cwd, LC_ALL: "C.UTF-8", TZ: "UTC" };
  const { code, stdout, stderr } = await run(words, {
    ...{ cwd, env, limit: LIMIT },
  });
  expect([words.join(" "), code, stderr]).toEqual([
    words.join(" "),
    0,
    expect.not.stringMatching(/fail|error/i),
  ]);
  return stdout;
}

function expectBig(path: string): void {
  expect(Buffer.compare(readFileSync(path), BIG)).toBe(0);
}

for (const runtime of RUNTIMES) {
  const no = find(runtime).reason;
  describe(runtime, () => {
    for (
      const mode of [
        ...[[], ["-P", "-"], ["--disable-epsv"]],
        ["-P", "-", "--disable-eprt"],
      ]
    ) {
      const title = `curl ${mode.join(" ")} puts, gets and lists`;
      needing(no ?? missing("curl"), title, async () => {
        await using server = await served(runtime);
        const { own, url, inbox, port } = server;
        const curl = (...words: string[]) =>
          shell(own, "curl", "-sS", ...mode, ...words);
        await curl("--ftp-create-dirs", "-T", "big", `${url}/a/b/big`);
        expectBig(`${inbox}/a/b/big`);
        await curl("-o", "back", `${url}/a/b/big`);
        expectBig(`${own}/back`);
        const part = await curl("-r", "100-104", `${url}/a/b/big`);
        expect(part).toHaveLength(5);
        writeFileSync(`${own}/rest`, BIG.subarray(0, 1234));
        await curl("-C", "-", "-o", "rest", `${url}/a/b/big`);
        expectBig(`${own}/rest`);
        expect(await curl(`${url}/a/`)).toMatch(/^drwxr-xr-x .* b\n$/);
        expect(await curl("-l", `${url}/a/b/`)).toBe("big\n");
        expect(await curl("-I", `${url}/a/b/big`)).toContain(
          "Content-Length: 300000",
        );
        const away = ["RNFR a/b/big", "RNTO a/c", "DELE a/c", "RMD a/b"];
        await curl(...away.flatMap((each) => ["-Q", `-${each}`]), `${url}/`);
        expect(await curl(`${url}/a/`)).toBe("");
        for (
          const [to, code] of [
            [`ftp://127.0.0.1:${port}/big`, 25], // anonymous may not
            [`ftp://lab:wrong@127.0.0.1:${port}/big`, 67],
            [`${url}/%2e%2e/none/big`, 9],
          ] as const
        ) {
          const words = ["curl", "-sS", ...mode, "-T", "big", to];
          const ended = await run(words, { cwd: own });
          expect([to, ended.code]).toEqual([to, code]);
        }
      });
    }

    for (const mode of [[], ["--no-passive-ftp"]]) {
      const title = `wget ${mode.join(" ")} gets a file and a tree`;
      needing(no ?? missing("wget"), title, async () => {
        await using server = await served(runtime);
        const { own, url, inbox } = server;
        plantTree(`${inbox}/tree`, 60);
        writeFileSync(`${inbox}/big`, BIG);
        await shell(own, "wget", "-q", ...mode, "-O", "back", `${url}/big`);
        expectBig(`${own}/back`);
        const flags = ["-q", "-r", "-nH", "--restrict-file-names=nocontrol"];
        await shell(own, "wget", ...flags, ...mode, `${url}/tree/`);
        await shell(own, "diff", "-r", `${inbox}/tree`, "tree");
      });
    }

    needing(no ?? missing("tnftp"), "tnftp puts, gets and lists", async () => {
      await using server = await served(runtime);
      const { own, inbox, port } = server;
      writeFileSync(`${own}/text`, "one\ntwo\n");
      const commands = `user lab lab
binary
put big up1
get up1 down1
passive off
put big up2
get up2 down2
epsv4
passive on
get up2 down3
ascii
put text up3
get up3 down4
ls
mkdir new
rename up2 new/x
delete new/x
rmdir new
quit
`;
      writeFileSync(`${own}/commands`, commands);
      const script = `tnftp -n -v 127.0.0.1 ${port} <commands`;
      const said = await shell(own, "sh", "-c", script);
      for (const name of ["down1", "down2", "down3"]) {
        expectBig(`${own}/${name}`);
      }
      expect(readFileSync(`${own}/down4`, "utf8")).toBe("one\ntwo\n");
      expect(readFileSync(`${inbox}/up3`, "utf8")).toBe("one\ntwo\n");
      expect(said).toMatch(/^-rw-r--r-- 1 lab lab +300000 .* up1$/m);
      expect(said).toContain("250 Renamed");
      expect(said).not.toMatch(/^[45]\d\d /m);
    });

    needing(no ?? python().reason, "ftplib puts, gets and lists", async () => {
      await using server = await served(runtime);
      const client = pythonCommand(`${ROOT}tests/peers/ftp.py`);
      const said = await shell(server.own, ...client, "client", server.port);
      const mode = [
        ...["226 Received", "226 Sent", "True 256000", "226 Received"],
        "['one', 'two'] ['t.txt', 'x.bin']",
        "[('t.txt', 'file'), ('x.bin', 'file')]",
        ...["4", "b'\\xf6\\xf7\\xf8\\xf9\\xfa\\xfb\\xfc\\xfd\\xfe\\xff'"],
      ];
      expect(said.trimEnd().split("\n")).toEqual([
        ...["220 lab.test FTP Socket Lab", "230 Welcome, lab"],
        ...mode,
        ...mode,
        ...["550 No such file", "550 No such file"],
        '/a"b 250 "/a""b" is the folder /a"b 250 "/" is the folder 250 Removed',
        ...["250 Renamed 250 Removed 250 Removed", "221 Bye"],
      ]);
    });

    /** What the client prints of a server's file, in both modes. */
    const expectFiles = async (port: string, user: string, refusal: string) => {
      const flags = ["--user", user, "--name", "in/big", "--clients", "2"];
      const printed = await clientOn("ftp_files", runtime, port, flags);
      const files = printed.match(/^RETR in\/big: 300000 bytes -> 226 .*$/gm);
      expect(files).toHaveLength(4);
      expect(printed).toMatch(
        new RegExp(`EPRT \\|1\\|192\\.0\\.2\\.1\\|50000\\| -> ${refusal}`),
      );
    };

    needing(no ?? noPyftpdlib, "the client gets from pyftpdlib", async () => {
      using root = folder();
      mkdirSync(`${root.path}/in`);
      writeFileSync(`${root.path}/in/big`, BIG);
      const { server, port } = await pyftpdlib(root.path);
      await expectFiles(port, "lab", "501 Rejected data connection to foreign");
      server.kill();
      await server.finished;
    });

    needing(no ?? noVsftpd, "the client gets from vsftpd", async () => {
      using root = folder();
      using own = folder();
      mkdirSync(`${root.path}/in`);
      writeFileSync(`${root.path}/in/big`, BIG);
      const { server, port } = await vsftpd(root.path, own.path);
      await expectFiles(port, "anonymous", "500 Illegal EPRT command");
      server.kill();
      await server.finished;
    });
  });
}

/**
 * Each file takes one of the system's 28,000 ports for a minute (TIME_WAIT): one
 * test after the other, and at the end.
 */
for (const runtime of RUNTIMES) {
  for (const passive of ["true", "false"]) {
    const reason = find(runtime).reason ?? missing("lftp");
    const mode = passive === "true" ? "passive" : "active";
    const title = `lftp mirrors 1,000 files, ${mode}, ${runtime}`;
    const skip = reason !== undefined && process.env.CI !== "true";
    test.skipIf(skip)(title, async () => {
      if (reason) throw new Error(reason);
      await using server = await served(runtime);
      const { own, port, inbox } = server;
      plantTree(`${own}/tree`, 1000);
      const commands = `set ftp:passive-mode ${passive}
        set cmd:fail-exit true
        open -u lab,lab -p ${port} 127.0.0.1
        mirror -R tree up
        mirror up back
        mirror -R -e back/d1 up
        mirror --use-pget-n=3 -P 4 up/ four`;
      await shell(own, "lftp", "-c", commands);
      await shell(own, "diff", "-r", "tree", "back");
      await shell(own, "diff", "-r", "tree/d1", `${inbox}/up`);
      await shell(own, "diff", "-r", "tree/d1", "four");
    }, LIMIT);
  }
}
