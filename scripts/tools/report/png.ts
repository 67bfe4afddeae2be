/**
 * Makes a PNG of an SVG with a browser or a converter that is installed.
 *
 * @module
 */
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { checkStopped, start, within } from "../support/processes.ts";

/** The file to read, the file to write, and what a program needs to know. */
interface Task {
  readonly svg: string;
  readonly png: string;
  readonly size: { readonly width: number; readonly height: number };
  /** A folder of its own, so that a browser leaves the user's alone. */
  readonly folder: string;
}

/**
 * Writes the PNG with the first program that can; false if there is none. A
 * file of that name is replaced only then.
 */
export async function writePng(
  [svg, png]: [svg: string, png: string],
  size: Task["size"],
): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "socket-lab-"));
  const part = resolve(png.replace(/\.png$/, ".part.png"));
  const task = { svg: resolve(svg), png: part, size, folder };
  try {
    for (const [programs, argumentsFor] of PAINTERS) {
      for (const program of programs) {
        const { ended, signal } = start([program, ...argumentsFor(task)]);
        if (!await within(LIMIT, ended)) signal("SIGKILL");
        checkStopped();
        if (!isPng(part)) continue;
        renameSync(part, png);
        return true;
      }
    }
    return false;
  } finally {
    rmSync(part, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

const LIMIT = 30_000; // ms, of one program

/** Programs that are tried, and their arguments; the best come first. */
const PAINTERS: [programs: string[], (task: Task) => string[]][] = [
  [
    [
      ..."chromium chromium-browser google-chrome chrome".split(" "),
      ..."microsoft-edge msedge brave-browser".split(" "),
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
      "C:/Program Files/Google/Chrome/Application/chrome.exe",
      "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    ],
    ({ svg, png, size: { width, height }, folder }) => [
      ..."--headless --disable-gpu --hide-scrollbars --no-first-run".split(" "),
      ..."--disable-background-networking --disable-sync".split(" "),
      // As root, Chromium runs only so; it shows a file of our own.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      `--user-data-dir=${folder}`,
      `--window-size=${width},${height}`,
      "--force-device-scale-factor=2",
      `--screenshot=${png}`,
      pathToFileURL(svg).href,
    ],
  ],
  [
    ["firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"],
    ({ svg, png, size: { width, height }, folder }) => [
      ...["--headless", "--no-remote", "--profile", folder],
      ...["--screenshot", png, `--window-size=${width},${height}`],
      pathToFileURL(svg).href,
    ],
  ],
  [["rsvg-convert"], ({ svg, png }) => ["--zoom=2", "--output", png, svg]],
  [["resvg"], ({ svg, png }) => ["--zoom", "2", svg, png]],
  [
    ["inkscape"],
    ({ svg, png }) => [
      ...["--export-type=png", "--export-dpi=192"],
      ...[`--export-filename=${png}`, svg],
    ],
  ],
  // On Windows, convert.exe changes a disk.
  [
    ["magick", ...(process.platform === "win32" ? [] : ["convert"])],
    ({ svg, png }) => ["-density", "192", svg, png],
  ],
];

function isPng(file: string): boolean {
  try {
    return readFileSync(file).subarray(1, 4).toString("latin1") === "PNG";
  } catch {
    return false; // nothing was written
  }
}
