/**
 * What the board draws and exports is the report tool's: each download is byte for
 * byte what its functions make of the same run, and each row is one of a report.
 */
import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mermaid } from "../lib/observe/diagram.ts";
import { asCalls, excerpt } from "../scripts/tools/report/calls.ts";
import { contentOf } from "../scripts/tools/report/content.ts";
import { checkReplaceable, sealed } from "../scripts/tools/report/files.ts";
import { usualForm } from "../scripts/tools/report/headings.ts";
import { html } from "../scripts/tools/report/html.ts";
import { markdown } from "../scripts/tools/report/markdown.ts";
import type { Made } from "../scripts/tools/report/run.ts";
import { readSource } from "../scripts/tools/report/source.ts";
import { readHeader } from "../scripts/tools/support/header.ts";
import { sourceOf } from "../scripts/tools/support/experiments.ts";
import { Board } from "./support/board.ts";
import { testOn } from "./support/test_on.ts";

const folder = mkdtempSync(join(tmpdir(), "socket-lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

testOn("bun", "the board's downloads are the report tool's", async () => {
  await using board = await Board.start("bun");
  const run = await board.run({ experiment: "tcp_thank_you" });
  const { same, html: verdict } = await run.event("done");
  expect(same).toBe(true);
  const id = await run.id;
  const get = async (name: string) => {
    const { status, body } = await board.ask({ path: `/runs/${id}/${name}` });
    expect([name, status]).toEqual([name, 200]);
    return body;
  };

  const kept = JSON.parse(await get("trace.json"));
  const name = "tcp_thank_you";
  expect(kept.name).toBe(name);
  expect(kept.run.lines.length).toBe(run.printed.length);
  const made: Made = {
    name,
    header: readHeader(sourceOf(name)),
    command: "bun scripts/tools/board.ts",
    experiment: {
      source: readSource(name, sourceOf(name)),
      run: { ...kept.run, date: new Date(kept.run.date) },
      processes: kept.processes,
    },
  };
  const content = contentOf(made, usualForm(name));
  const page = await get("report.html");
  expect(page).toBe(sealed(html(content)));
  expect(await get("report.md")).toBe(sealed(markdown(content)));
  const { rows } = excerpt(kept.run.calls);
  expect(await get("diagram.mmd")).toBe(`${mermaid(asCalls(rows))}\n`);

  // What the page has drawn before is in the report as it is.
  const drawn = run.events.filter(({ event }) => event === "call");
  expect(drawn.length).toBe(kept.run.calls.length);
  expect(page).toContain(drawn.map(({ html }) => html).join("\n"));
  expect(page).toContain(String(verdict));
  expect(page).not.toContain("common clock");

  // A click on a call: its bytes, and what the report says that it does.
  const sent = kept.run.calls.findIndex(({ call }: { call: string }) =>
    call === "sendall"
  );
  const details = JSON.parse(await get(`calls/${sent + 1}`));
  expect(details.text).toStartWith("sendall(");
  expect(details.man).toBe("send(2): Sends all the bytes.");
  expect(details.cut).toBe(false);
  expect(atob(details.data).length).toBe(details.bytes);

  // Nobody has changed it: the tool may replace it.
  const file = join(folder, "tcp_thank_you.html");
  writeFileSync(file, page);
  checkReplaceable(file, false);
  await run.leave();
  await board.quiet();
});
