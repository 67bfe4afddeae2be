/**
 * The datagrams of the experiments on repeated blocks: text, so that a trace can
 * be read. What they carry is in arq.ts.
 *
 * ```ts
 * import { answerTo, formatBlock, parseFrame } from "./frames.ts";
 *
 * const block = { way: "bit", block: 3, attempt: 1, number: 0, text: "third" };
 * const datagram = formatBlock(block); // "DATA bit 3.1 0 third"
 * const frame = parseFrame(new TextEncoder().encode(datagram));
 * answerTo(frame!); // "ACK bit 3.1 0"
 * ```
 *
 * @module
 */

/** A block on its way. */
export interface Block {
  /** The name of the transfer's way. */
  readonly way: string;
  /**
   * Which block, from 1, and which attempt: only to decide what is lost. The ends
   * do not look at them.
   */
  readonly block: number;
  readonly attempt: number;
  /** By this the ends know a block: 16 bits, or undefined. */
  readonly number?: number | undefined;
  readonly text: string;
}

/** A block, its acknowledgement; the end of a transfer, and its confirmation. */
export interface Frame extends Block {
  readonly kind: "DATA" | "ACK" | "FIN" | "FINACK";
}

/** A datagram: `DATA selective 3.1 2 third block`. */
export function formatFrame(frame: Frame): string {
  const { kind, way, block, attempt, number = "-", text } = frame;
  const words = [kind, way, `${block}.${attempt}`, number, text];
  return words.join(" ").trimEnd();
}

/** The datagram of a block. */
export function formatBlock(block: Block): string {
  return formatFrame({ kind: "DATA", ...block });
}

/** The datagram that acknowledges a block, or confirms the end of a transfer. */
export function answerTo(frame: Frame): string {
  const kind = frame.kind === "DATA" ? "ACK" : "FINACK";
  return formatFrame({ ...frame, kind, text: "" });
}

/** The frame in a datagram; undefined if it is none. */
export function parseFrame(data: Uint8Array): Frame | undefined {
  if (data.length > FRAME_LIMIT) return;
  const [, kind, way, block, attempt, number, text = ""] =
    decoder.decode(data).match(FRAME) ?? [];
  if (!kind || Number(number) > 0xffff) return;
  return {
    kind: kind as Frame["kind"],
    way,
    block: Number(block),
    attempt: Number(attempt),
    number: number === "-" ? undefined : Number(number),
    text,
  };
}

/** A frame has at most so many bytes. */
export const FRAME_LIMIT = 128;

const FRAME =
  /^(DATA|ACK|FIN|FINACK) ([\w-]{1,16}) (\d{1,5})\.(\d{1,3}) (\d{1,5}|-)(?: (.+))?$/s;

const decoder = new TextDecoder();
