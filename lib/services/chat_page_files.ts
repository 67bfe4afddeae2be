/**
 * What the chat's page loads: its style, and the program that takes part in the
 * chat.
 *
 * @module
 */

/** `/chat.js`: what others say is text, whatever it looks like. */
export const SCRIPT = `const byId = (id) => document.getElementById(id);
const [log, status, problem] = ["log", "status", "problem"].map(byId);
const [enter, name] = ["enter", "name"].map(byId);
const [speak, text, leave] = ["speak", "text", "leave"].map(byId);
let socket;

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) return;
  problem.textContent = "";
  status.textContent = "Connecting...";
  const address = new URL("/chat", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.addEventListener("message", ({ data }) => hear(data));
  socket.addEventListener("close", ended);
});

// The server speaks without being asked; first, it asks for the name.
function hear(line) {
  if (line === "PROMPT") {
    socket.send(name.value);
  } else if (line.startsWith("* ")) {
    if (speak.hidden) show(true);
    status.textContent = "In the room as " + name.value + ".";
    add("note", "", line.slice(2));
  } else {
    const [speaker, ...said] = line.split(": ");
    add("other", speaker, said.join(": "));
  }
}

speak.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!text.value.trim() || socket?.readyState !== WebSocket.OPEN) return;
  socket.send(text.value);
  add("own", name.value, text.value);
  text.value = "";
});

text.addEventListener("input", () => {
  const { length } = new TextEncoder().encode(text.value);
  text.setCustomValidity(
    length > LINE_LIMIT ? "A message has at most LINE_LIMIT bytes" : "",
  );
});

leave.addEventListener("click", () => socket?.close(1000));

function ended({ code, reason }) {
  socket = undefined;
  const joined = !speak.hidden;
  show(false);
  const why = reason || (code === 1006 ? "the server is gone" : "");
  status.textContent = "Not in the room.";
  problem.textContent = code === 1000 ? "" : "Closed" + (why && ": " + why) + ".";
  if (joined) add("note", "", problem.textContent || "You have left.");
}

function show(joined) {
  speak.hidden = leave.hidden = !joined;
  enter.hidden = joined;
  (joined ? text : name).focus();
}

function add(kind, speaker, said) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const item = document.createElement("div");
  item.className = kind;
  if (speaker) {
    const who = document.createElement("b");
    who.textContent = speaker;
    const time = document.createElement("time");
    time.textContent = new Date().toTimeString().slice(0, 5);
    item.append(who, " ", time);
  }
  const words = document.createElement("p");
  words.dir = "auto";
  words.textContent = said;
  item.append(words);
  log.append(item);
  if (log.children.length > 500) log.firstChild.remove();
  if (atEnd || kind === "own") log.scrollTop = log.scrollHeight;
}
`;

/** `/chat.css`: a relative of the report's. */
export const STYLE = `:root {
  color-scheme: light dark;
  --paper: light-dark(#fcfbf8, #16191c);
  --ink: light-dark(#24282d, #e3e1db);
  --quiet: light-dark(#5c636b, #a3a9b0);
  --rule: light-dark(#dcd8cd, #363b41);
  --field: light-dark(#f1ede4, #23282d);
  --line: light-dark(#8a8578, #767c83);
  --failed: light-dark(#ad2018, #ff9c92);
  --own: light-dark(#dce9f4, #17364e);
  --server: light-dark(#1d5c88, #86bce6);
  --client: light-dark(#94471a, #e9ab7f);
  --on: light-dark(#fff, #10222f);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { height: 100%; }
body {
  margin: 0 auto;
  max-width: 44rem;
  display: flex;
  flex-direction: column;
  background: var(--paper);
  color: var(--ink);
  font: 1.0625rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere;
}
header {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.25rem 1rem;
  padding: 0.5rem 1rem;
  min-height: 3.5rem;
  border-bottom: 1px solid var(--rule);
}
h1, p { margin: 0; }
h1 { font: 600 1.6rem/1.2 Charter, "Bitstream Charter", Cambria, Georgia, serif; }
#status { flex: 1; }
#leave { min-height: 2.25rem; padding: 0 0.75rem; }
code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
#status, #takes, time, .note, label { color: var(--quiet); font-size: 0.9rem; }
main { flex: 1; min-height: 0; display: flex; flex-direction: column; }
#log {
  flex: 1;
  margin: 0;
  padding: 1rem;
  overflow-y: auto;
  display: flex;
  flex-direction: column;
  gap: 0.6rem;
}
#log > :first-child { margin-top: auto; }
#log > div { max-width: 85%; align-self: flex-start; }
#log p { padding: 0.4rem 0.8rem; border-radius: 0 0.9rem 0.9rem; background: var(--field); width: fit-content; }
.other b { color: var(--client); }
#log > .own { align-self: flex-end; text-align: end; }
.own b { color: var(--server); }
#log .own p { margin-inline-start: auto; border-radius: 0.9rem 0 0.9rem 0.9rem; background: var(--own); text-align: start; }
#log > .note { max-width: 100%; margin-inline: auto; align-self: center; }
#log .note p { padding: 0; background: none; text-align: center; text-wrap: balance; }
form { padding: 0.75rem 1rem max(1rem, env(safe-area-inset-bottom)); border-top: 1px solid var(--rule); }
label { display: block; margin-bottom: 0.3rem; }
.row { display: flex; gap: 0.5rem; }
input, button { font: inherit; color: inherit; min-height: 2.75rem; border-radius: 0.5rem; border: 1px solid var(--line); }
input { flex: 1; min-width: 0; padding: 0 0.75rem; background: var(--paper); }
button { padding: 0 1rem; background: var(--field); cursor: pointer; }
button:not([type]) { background: var(--server); border-color: var(--server); color: var(--on); font-weight: 600; }
button:hover { filter: brightness(1.08); }
:focus-visible { outline: 3px solid var(--server); outline-offset: 2px; }
#log:focus-visible { outline-offset: -3px; }
#takes { margin-top: 0.4rem; }
#problem { color: var(--failed); font-weight: 600; }
noscript { padding: 1rem; }
`;
