/**
 * The WebSocket of a runtime, or with a folder as the last argument, of the package
 * `ws` there, as a client of websocket_chat, and of an echo server; prints what it
 * has heard.
 */
import { createRequire } from "node:module";
import process from "node:process";

const [chat, echo, folder] = process.argv.slice(2);
const Socket: typeof WebSocket = folder
  ? createRequire(`${folder}/`)("ws")
  : WebSocket;

/** Messages in their order, and at last how it was closed. */
function open(port: string, path: string) {
  const socket = new Socket(`ws://127.0.0.1:${port}${path}`);
  socket.binaryType = "arraybuffer";
  const heard: unknown[] = [];
  let changed = Promise.withResolvers<void>();
  const add = (what: unknown) => {
    heard.push(what);
    changed.resolve();
    changed = Promise.withResolvers();
  };
  socket.onmessage = ({ data }) => add(data);
  socket.onclose = ({ code, reason, wasClean }) =>
    add(`closed ${code} ${reason} ${wasClean}`);
  socket.onerror = () => {};
  return {
    socket,
    async next() {
      while (heard.length === 0) await changed.promise;
      return heard.shift();
    },
  };
}

const ann = open(chat, "/chat");
console.log(await ann.next());
ann.socket.send("ann");
console.log(await ann.next());
const bob = open(chat, "/chat");
await bob.next();
bob.socket.send("bob");
console.log(await bob.next());
bob.socket.send("Hell\u00f6 \u{1f600}, ann.");
console.log(await ann.next());
const other = open(chat, "/chat");
await other.next();
other.socket.send("ann");
console.log(await other.next());
bob.socket.send("x".repeat(1001));
console.log(await bob.next());
ann.socket.close(3001, "Bye");
console.log(await ann.next());

const { socket, next } = open(echo, "/");
await new Promise((resolve) => socket.onopen = resolve);
for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
  socket.send("*".repeat(length));
  socket.send(new Uint8Array(length).fill(0xfe));
  const [text, bytes] = [await next(), await next()];
  const same = text === "*".repeat(length) &&
    new Uint8Array(bytes as ArrayBuffer).every((byte) => byte === 0xfe);
  console.log(length, same, (bytes as ArrayBuffer).byteLength);
}
socket.send("*".repeat(65_537));
console.log(await next());
