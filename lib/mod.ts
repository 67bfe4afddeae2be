/**
 * What an experiment imports: the sockets, the runner, and what observes both.
 * This file re-exports and does nothing else.
 *
 * @module
 */
export { dateAndTime } from "./experiment/date_and_time.ts";
export { experiment } from "./experiment/experiment.ts";
export type { End } from "./experiment/settings.ts";
export { observe, type SocketCall } from "./observe/mod.ts";
export * from "./sockets/mod.ts";
