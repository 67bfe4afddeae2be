/**
 * Runs a script: its two ends, server limits, flags, errors and lines. This room
 * knows the process and the command line; it knows no experiment by name, no
 * protocol and no runtime's sockets.
 *
 * @module
 */
export { dateAndTime } from "./date_and_time.ts";
export { experiment } from "./experiment.ts";
export type { End } from "./settings.ts";
