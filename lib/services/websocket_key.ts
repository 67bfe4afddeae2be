/**
 * The key in the handshake of a WebSocket: the right answer to it shows that a
 * server understands the request, and that no cache has answered.
 *
 * @module
 */

/** The answer to a key, RFC 6455 section 4.2.2. */
export async function acceptOf(key: string): Promise<string> {
  const text = encoder.encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-1", text)));
}

/** Bytes as text, RFC 4648 section 4. */
export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Whether a list of tokens in a field has this one, in lower case. */
export function hasToken(list: string | undefined, token: string): boolean {
  return list?.toLowerCase().split(/[ \t]*,[ \t]*/).includes(token) ?? false;
}

const encoder = new TextEncoder();
