/**
 * An answer that a client understands, and cannot go on with.
 *
 * @module
 */
import { type Address, displayAddress } from "../sockets/address.ts";
import { escapeControls } from "../sockets/escape.ts";
import { SocketError } from "../sockets/socket_error.ts";

/** The server answers otherwise than the client needs; EPROTO says it in words. */
export class Unexpected extends SocketError {
  /** The answer as the server gave it, such as `550 No such file`. */
  constructor(server: Address, answer: string) {
    super("EPROTO", "recv", server);
    const words = `${displayAddress(server)} answers ${answer}`;
    this.message = escapeControls(words.slice(0, 200));
  }
}
