/**
 * What several experiments share above sockets and protocols. A file of this room
 * may use both; it knows no command line and no experiment. An experiment imports
 * the service that it needs, `lib/services/NAME.ts`.
 *
 * @module
 */
export {};
