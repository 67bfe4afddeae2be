/**
 * What an experiment imports: the sockets, the runner, and what observes both.
 * This file re-exports and does nothing else.
 *
 * @module
 */
export { dateAndTime, type End, experiment } from "./experiment/mod.ts";
export { observe, type SocketCall } from "./observe/mod.ts";
export * from "./sockets/mod.ts";
