/**
 * The room of websocket_chat on the WebSocket server of a runtime, or with a folder
 * as its argument, on that of the package `ws` there; prints its port.
 */
import { createRequire } from "node:module";
import process from "node:process";

/** Sends a text to a member. */
type Send = (text: string) => void;

const names = new Map<Send, string>();

function opened(send: Send): void {
  send("* Your name?");
}

function said(send: Send, text: string): void {
  const name = names.get(send);
  if (name === undefined) {
    names.set(send, text);
    return send(`* Welcome, ${text}: ${names.size} here`);
  }
  for (const other of names.keys()) {
    if (other !== send) other(`${name}: ${text}`);
  }
}

/** A WebSocket as browsers have it. */
function serve(socket: WebSocket): void {
  const send = (text: string) => socket.send(text);
  socket.onopen = () => opened(send);
  socket.onmessage = ({ data }) => said(send, String(data));
  socket.onclose = () => names.delete(send);
}

const [folder] = process.argv.slice(2);
const hostname = "127.0.0.1";
if (folder) {
  const { WebSocketServer } = createRequire(`${folder}/`)("ws");
  const server = new WebSocketServer({ host: hostname, port: 0 });
  server.on("connection", (socket: WebSocket) => {
    serve(socket);
    socket.onopen?.(new Event("open"));
  });
  server.on("listening", () => console.log(`port ${server.address().port}`));
} else if ("Deno" in globalThis) {
  const onListen = ({ port }: { port: number }) => console.log(`port ${port}`);
  Deno.serve({ hostname, port: 0, onListen }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    serve(socket);
    return response;
  });
} else {
  const { port } = Bun.serve<{ send: Send }>({
    hostname,
    port: 0,
    fetch(request, server) {
      if (server.upgrade(request, { data: { send: () => {} } })) return;
      return new Response("a WebSocket is here", { status: 426 });
    },
    websocket: {
      open(socket) {
        socket.data.send = (text) => socket.send(text);
        opened(socket.data.send);
      },
      message: (socket, text) => said(socket.data.send, String(text)),
      close: (socket) => void names.delete(socket.data.send),
    },
  });
  console.log(`port ${port}`);
}
