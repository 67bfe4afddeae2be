/**
 * Reads what a student has written, and writes reports so that nothing that
 * was written by hand is lost.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  lstatSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../../lib/experiment/flags.ts";
import { ToolError } from "../support/tool.ts";

/** The path of a file or a folder of this one's own. */
export function ownPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url).href);
}

/** A text file, with the line ends of any system. Throws a UsageError. */
export function readTextFile(file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${reasonOf(error)}`);
  }
  const text = textOf(bytes);
  if (text !== undefined) return text;
  throw new UsageError(`Cannot read ${file}: it is not text in UTF-8`);
}

/** The text in UTF-8 without a BOM, its lines ended by LF. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text.replaceAll("\r\n", "\n");
  } catch {
    // another encoding, such as the UTF-16 of PowerShell's `>`
  }
}

/**
 * Throws a ToolError if a file must not be replaced: only a report may that
 * nobody has changed, or with `force` any file. A link is never followed.
 */
export function checkReplaceable(file: string, force: boolean): void {
  const kept = (why: string) => new ToolError(`${file} is kept: ${why}`);
  const status = lstatSync(file, { throwIfNoEntry: false });
  if (!status) return;
  if (status.isSymbolicLink()) throw kept("it is a symbolic link");
  if (!status.isFile()) throw kept("it is no file");
  let text: string | undefined;
  writing(file, () => text = textOf(readFileSync(file)));
  if (force || isUnchanged(text ?? "")) return;
  throw kept(
    "it was changed by hand, or not made by this tool (--force replaces it, " +
      "--out DIR writes elsewhere)",
  );
}

/** Writes a report, with the checksum that tells whether somebody changes it. */
export function writeReport(file: string, text: string, force: boolean): void {
  checkReplaceable(file, force);
  const beside = `${file}.${process.pid}.tmp`;
  writing(file, () => {
    try {
      writeFileSync(beside, sealed(text), { flag: "wx" });
      renameSync(beside, file);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
  });
}

/** The text, and a last line with its checksum. */
export function sealed(text: string): string {
  return `${text}<!-- Checksum of the report, which is not replaced once ` +
    `you change it: ${checksumOf(text)} -->\n`;
}

/** Whether a text is as `sealed` has made it. */
function isUnchanged(text: string): boolean {
  const [, before] = text.match(/^([^]*\n)<!-- .* -->\s*$/) ?? [];
  return before !== undefined && sealed(before).trim() === text.trim();
}

function checksumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Throws a ToolError if a file or a folder cannot be written. */
export function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new ToolError(`Cannot write ${file}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  if (code === "EACCES") return "this user may not";
  return /^(EEXIST|ENOTDIR)$/.test(code) ? "it is no folder" : message;
}
