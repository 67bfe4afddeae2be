/**
 * Calls and events of a browser, by the DevTools protocol, on the lab's own
 * WebSocket client. https://chromedevtools.github.io/devtools-protocol/
 */
import { AF_INET, SOCK_STREAM, socket } from "../../lib/mod.ts";
import { openWebSocket } from "../../lib/services/websocket_client.ts";
import type { WebSocketConnection } from "../../lib/services/websocket_connection.ts";

// deno-lint-ignore no-explicit-any
export type Fields = Record<string, any>;

/** Is called with each event of a session. */
export type Listener = (method: string, params: Fields) => void;

/** The browser at the other end of a WebSocket; a session of it is a page. */
export class DevTools {
  readonly #connection: WebSocketConnection;
  readonly #waiting = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #listeners = new Map<string | undefined, Set<Listener>>();
  #last = 0;

  private constructor(connection: WebSocketConnection) {
    this.#connection = connection;
    this.#receive().catch((error) => error).then((error) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error("The browser has ended", { cause: error }));
      }
    });
  }

  static async connect(url: string): Promise<DevTools> {
    const { hostname, port, pathname } = new URL(url);
    const connection = socket(AF_INET, SOCK_STREAM);
    await connection.connect([hostname, Number(port)]);
    return new DevTools(
      await openWebSocket(connection, pathname, { limit: MOST }),
    );
  }

  /** Calls a method of the browser, or of a session. */
  call(method: string, params: Fields = {}, sessionId?: string) {
    const answer = Promise.withResolvers<Fields>();
    const id = ++this.#last;
    this.#waiting.set(id, answer);
    this.#connection.send(JSON.stringify({ id, method, params, sessionId }))
      .catch(answer.reject);
    return answer.promise;
  }

  /** Hears the events of the browser, or of a session. */
  hear(listener: Listener, session?: string): void {
    const all = this.#listeners.get(session) ?? new Set();
    this.#listeners.set(session, all.add(listener));
  }

  async #receive(): Promise<void> {
    const wait = { patient: true };
    for (let next; (next = await this.#connection.receive(wait));) {
      this.#take(JSON.parse(next as string));
    }
    await this.#connection.close();
  }

  #take({ id, result, error, sessionId, method, params }: Fields): void {
    if (id === undefined) {
      for (const hear of this.#listeners.get(sessionId) ?? []) {
        hear(method, params);
      }
      return;
    }
    const { resolve, reject } = this.#waiting.get(id)!;
    this.#waiting.delete(id);
    if (error) reject(new Error(error.message));
    else resolve(result);
  }
}

/** The longest message, such as a picture, in bytes. */
const MOST = 2 ** 26;
