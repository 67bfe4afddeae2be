/**
 * Calls and events of a browser, by the DevTools protocol.
 * https://chromedevtools.github.io/devtools-protocol/
 */

// deno-lint-ignore no-explicit-any
export type Fields = Record<string, any>;

/** Is called with each event of a session. */
export type Listener = (method: string, params: Fields) => void;

/** The browser at the other end of a WebSocket; a session of it is a page. */
export class DevTools {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #listeners = new Map<string | undefined, Set<Listener>>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error("The browser has ended"));
      }
    };
  }

  static async connect(url: string): Promise<DevTools> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new DevTools(socket);
  }

  /** Calls a method of the browser, or of a session. */
  call(method: string, params: Fields = {}, sessionId?: string) {
    const answer = Promise.withResolvers<Fields>();
    const id = ++this.#last;
    this.#waiting.set(id, answer);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return answer.promise;
  }

  /** Hears the events of the browser, or of a session. */
  hear(listener: Listener, session?: string): void {
    const all = this.#listeners.get(session) ?? new Set();
    this.#listeners.set(session, all.add(listener));
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
