/**
 * Runs a script: its two ends, server limits, flags, errors and lines. This room
 * knows the process and the command line; it knows no experiment by name, no
 * protocol and no runtime's sockets.
 *
 * @module
 */
export { experiment } from "./experiment.ts";
export { dateAndTime } from "./print.ts";
export type { End } from "./settings.ts";
