/**
 * Makes a PNG of an SVG with a browser or a converter that is installed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import { checkStopped, start, within } from "../support/processes.ts";

/** The PNG, by the first program that can make it; undefined without one. */
export async function pngOf(
  svg: string,
  { width, height }: { width: number; height: number },
): Promise<Buffer | undefined> {
  // A browser gets a profile of its own, and leaves the user's alone.
  const profile = mkdtempSync(join(tmpdir(), "socket-lab-"));
  const words: Record<string, string> = {
    svg: resolve(svg),
    url: pathToFileURL(svg).href,
    // Beside the other: a browser in a sandbox sees no temporary folder.
    png: resolve(`${svg}.${process.pid}.png`),
    profile,
    size: `${width},${height}`,
    // As root, Chromium runs only so; it shows a file of our own.
    root: isRoot(profile) ? "--no-sandbox" : "--disable-sync",
  };
  try {
    for (const [programs, given] of PAINTERS) {
      const args = given.split(" ").map((word) =>
        word.replace(/\{(\w+)\}/, (_, name) => words[name])
      );
      for (const program of programs) {
        const { ended, signal } = start([program, ...args]);
        if (!await within(LIMIT, ended)) signal("SIGKILL");
        checkStopped();
        const bytes = read(words.png);
        if (isPng(bytes)) return sealed(bytes);
      }
    }
  } finally {
    rmSync(words.png, { force: true });
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }
}

const LIMIT = 30_000; // ms, of one program

/** Programs that are tried, and their arguments; the best come first. */
const PAINTERS: [programs: string[], given: string][] = [
  [
    [
      ..."chromium chromium-browser google-chrome chrome".split(" "),
      ..."microsoft-edge msedge brave-browser".split(" "),
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
      "C:/Program Files/Google/Chrome/Application/chrome.exe",
      "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    ],
    "--headless --disable-gpu --hide-scrollbars --no-first-run " +
    "--disable-background-networking {root} --user-data-dir={profile} " +
    "--window-size={size} --force-device-scale-factor=2 " +
    "--screenshot={png} {url}",
  ],
  [["rsvg-convert"], "--zoom=2 --output {png} {svg}"],
  [["resvg"], "--zoom 2 {svg} {png}"],
  [["inkscape"], "--export-dpi=192 --export-filename={png} {svg}"],
  [
    ["firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"],
    "--headless --no-remote --profile {profile} --screenshot {png} " +
    "--window-size={size} {url}",
  ],
  // On Windows, convert.exe changes a disk.
  [
    process.platform === "win32" ? ["magick"] : ["magick", "convert"],
    "-density 192 {svg} {png}",
  ],
];

/** Whether the owner of a new folder is root; Deno asks nothing for that. */
function isRoot(folder: string): boolean {
  return process.platform !== "win32" && statSync(folder).uid === 0;
}

// --- whose a PNG is ---

/** Whether a file is as this module made it: then it may be replaced. */
export function isOwnPng(file: string): boolean {
  const bytes = read(file);
  const seal = bytes.length - IEND - SEAL;
  if (seal < 0) return false;
  const end = bytes.subarray(-IEND);
  return sealed(Buffer.concat([bytes.subarray(0, seal), end])).equals(bytes);
}

/** The PNG with a comment (a tEXt chunk) that has its checksum. */
function sealed(bytes: Buffer): Buffer {
  const checksum = createHash("sha256").update(bytes).digest("hex");
  const text = `tEXtComment\0Socket Lab ${checksum.slice(0, 16)}`;
  const chunk = Buffer.alloc(SEAL);
  chunk.writeUInt32BE(text.length - 4);
  chunk.write(text, 4, "latin1");
  chunk.writeUInt32BE(crc32(text), SEAL - 4);
  const end = bytes.length - IEND;
  return Buffer.concat([bytes.subarray(0, end), chunk, bytes.subarray(end)]);
}

const IEND = 12; // bytes of the last chunk
const SEAL = 47; // bytes of the comment's chunk

function isPng(bytes: Buffer): boolean {
  return bytes.toString("latin1", 1, 4) === "PNG" && bytes.length > IEND;
}

/** A file's bytes; none if it is not there. */
function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}
