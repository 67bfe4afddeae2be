/**
 * What an experiment imports: the sockets, the runner, and what observes both.
 * This file re-exports and does nothing else.
 *
 * @module
 */
export { experiment } from "./experiment/experiment.ts";
export { dateAndTime } from "./experiment/print.ts";
export type { End } from "./experiment/settings.ts";
export { observe, type SocketCall } from "./observe/mod.ts";
export * from "./sockets/mod.ts";
