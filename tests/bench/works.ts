/**
 * The pieces of work that are timed, as the library and each runtime's own
 * sockets do them: the same bytes, and both ends see the end.
 *
 * @module
 */

/** One way of doing the work. What fails, or loses a byte, rejects. */
export interface Works {
  /** So many messages of 64 bytes to a server and back, on one connection. */
  roundTrips(count: number): Promise<void>;
  /** So many connections on which the time is told and thanked for. */
  exchanges(count: number, atOnce: number): Promise<void>;
  /** So many clients are told the time; when all are, each thanks; again. */
  crowds(clients: number, rounds: number): Promise<void>;
  /** So many bytes one way, written and read by 64 KiB. */
  bulk(size: number): Promise<void>;
  /** So many datagrams of 64 bytes to a server and back, one at a time. */
  datagrams(count: number): Promise<void>;
  /** Waits on each connection for bytes that never come; gives the port. */
  idle(accepted: () => void): Promise<number>;
}

export const HOST = "127.0.0.1";
export const MESSAGE = new Uint8Array(64).fill(97);
export const CHUNK = new Uint8Array(65536).fill(97);
export const TIME = new TextEncoder().encode("20/11/2026 18:55:12");
export const THANKS = new TextEncoder().encode("Time received successfully.");

/** More clients than that wait to be accepted, where it can be asked for. */
export const BACKLOG = 4096;

/**
 * So many of a crowd connect at the same time, until each has heard from the
 * server. Bun asks for a backlog of 512 whatever it is told; a client for which
 * there is no room tries again after a second, which is not what is measured.
 */
export const CONNECTING = 256;

/**
 * Fails unless all bytes have arrived. Count them in a statement without
 * `await`: `received += await ...` reads the old value before it waits.
 */
export function expectBytes(received: number, sent: number): void {
  if (received !== sent) throw new Error(`${received} of ${sent} bytes came`);
}
