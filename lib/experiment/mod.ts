/**
 * Runs a script: its ends, limits, flags, errors and lines. This room knows the
 * process and the command line, but no experiment, protocol or runtime's sockets.
 *
 * @module
 */
export { experiment } from "./experiment.ts";
export { dateAndTime } from "./print.ts";
export type { End } from "./settings.ts";
