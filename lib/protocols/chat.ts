/**
 * The lines of the chat. A member's first line is its name, and each later one is
 * said to the others as `name: text`. The server's own lines begin with `* `,
 * which no name does.
 *
 * @module
 */

/** The longest line of a member, in bytes without its end. */
export const LINE_LIMIT = 1000;

/** The server's first line. */
export const PROMPT = "* Your name?";

/** A member's name, as a flag takes it. */
export const NAME = {
  value: "NAME",
  takes: "1 to 16 of the characters A-Z a-z 0-9 _ -",
  pattern: /^[A-Za-z0-9_-]{1,16}$/,
  help: "be yourself, with this name",
};

/** What is wrong with a name, if it is none. */
export function nameProblem(name: string): string | undefined {
  return NAME.pattern.test(name) ? undefined : `a name has ${NAME.takes}`;
}

/** Tells a new member how many are here. */
export function formatWelcome(name: string, count: number): string {
  return `* Welcome, ${name}: ${count} here`;
}

/** Whether the server says that it is this member's. */
export function isWelcome(line: string, name: string): boolean {
  return line.startsWith(`* Welcome, ${name}: `);
}

/** The server's last line to whom it closes, and why. */
export function formatClosed(reason: string): string {
  return `${CLOSED}${reason}`;
}

/** The reason for which the server closes, if the line tells one. */
export function closedReason(line: string): string | undefined {
  return line.startsWith(CLOSED) ? line.slice(CLOSED.length) : undefined;
}

const CLOSED = "* Closed: ";
