/**
 * Makes text from anywhere safe to print, to log and to show on a page.
 *
 * @module
 */

/**
 * The text on one line, with each character escaped that could drive a
 * terminal, turn the direction of writing, or that is no character: controls
 * (C0, DEL, C1), line separators, bidirectional controls (Unicode UAX #9), lone
 * surrogates and noncharacters. `\n`, `\r`, `\t`, `\x1b`, `\u{202e}`.
 */
export function escapeControls(text: string): string {
  if (PLAIN.test(text)) return text; // the other pattern takes 2 ms to compile
  return text.replace(UNSAFE, (character) => {
    const short = SHORT[character];
    if (short) return short;
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`;
  });
}

const PLAIN = /^[ -~]*$/;
const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/gu;
const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
