/**
 * Bytes to records and back. A file of this room is pure: it knows no socket, no
 * clock and no file, and imports nothing but its like. An experiment imports the
 * protocol that it speaks, `lib/protocols/NAME.ts`.
 *
 * @module
 */
export {};
