/**
 * The board's page: orders a run, and shows what comes of it while it comes.
 * The text stands in index.html; rows of the drawing and the result are made by
 * the server, all else is set as text.
 */

const GONE =
  "The board does not answer. Start it again, and open the address " +
  "that it prints.";
const FOREIGN = "This page has no key to the board. Open the whole address " +
  "that the board has printed, with all that follows the #.";

const $ = (id) => document.getElementById(id);
const all = (selector, within = document) => [
  ...within.querySelectorAll(selector),
];
const form = $("order").elements;
const dialog = $("details");

/** What is known of each end: its calls that are held, and those that wait. */
const ends = Object.fromEntries(["server", "client"].map((name) => {
  const panel = document.querySelector(`.end.${name}`);
  return [name, {
    name,
    state: panel.querySelector(".state"),
    next: panel.querySelector("[data-next]"),
    on: panel.querySelector("[data-on]"),
    terminal: document.querySelector(`.part.${name} pre`),
    held: [],
    waiting: [],
    said: "has not started",
  }];
}));

let token = "";
let choices = { experiments: [], runtimes: [] };
let run; // { id, experiment, over, fault, same, calls, controller }

// --- What to run ---

/**
 * The key is in the part of the address that no browser sends. It leaves the
 * address bar, which a projector or a picture would show; a reload finds it in
 * this tab's storage.
 */
function takeToken() {
  const [, given] = location.hash.match(/^#([0-9a-f]{32})$/) ?? [];
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  token = given ?? sessionStorage.getItem("token") ?? "";
}

async function start() {
  takeToken();
  update();
  if (!token) throw new Error(FOREIGN);
  choices = await (await ask("/choices")).json();
  const { experiments, runtimes } = choices;
  form.experiment.replaceChildren(
    ...experiments.map(({ name }) => new Option(name)),
  );
  for (const end of [form.server, form.client]) {
    end.replaceChildren(
      ...runtimes.map(({ name, version }) =>
        new Option(`${name} ${version}`, name)
      ),
    );
  }
  const first = experiments.find(({ name }) => name === "tcp_time");
  if (first) form.experiment.value = first.name;
  choose();
  say("Ready.");
}

const chosen = () =>
  choices.experiments.find(({ name }) => name === form.experiment.value);

/** Shows what the chosen experiment is about, and its own options. */
function choose() {
  const { title, fact, output, steps, flags } = chosen();
  const rest = fact.startsWith(title) ? fact.slice(title.length) : ` ${fact}`;
  $("fact").replaceChildren(element("b", title), rest);
  $("output").lastElementChild.textContent = output.join("\n");
  $("flags").hidden = flags.length === 0;
  $("flags").lastElementChild.replaceChildren(...flags.map(field));
  const [step, through] = form.pace;
  step.disabled = !steps;
  step.parentElement.title = steps ? "" : "This experiment lives by the clock";
  (steps ? step : through).checked = true;
  update();
}

function field({ name, value, help }) {
  const input = element("input");
  input.name = `--${name}`;
  if (!value) input.type = "checkbox";
  return element(
    "label",
    ...(value ? [] : [input]),
    element("code", `--${name}`),
    ` ${help}`,
    ...(value ? [input] : []),
  );
}

/** The options that are filled in or ticked. */
function flags() {
  return Object.fromEntries(
    all("input", $("flags")).flatMap(
      ({ name, type, checked, value }) =>
        (type === "checkbox" ? checked : value)
          ? [[name.slice(2), type === "checkbox" ? "" : value]]
          : [],
    ),
  );
}

// --- The server ---

/** Asks the board; throws what to tell the reader if it refuses. */
async function ask(path, order, signal) {
  const headers = { "Lab-Token": token };
  if (order) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: order ? "POST" : "GET",
    headers,
    body: order && JSON.stringify(order),
    signal,
  }).catch((error) => {
    throw signal?.aborted ? error : new Error(GONE);
  });
  if (response.ok) return response;
  const text = (await response.text()).trim();
  throw new Error(response.status === 403 ? FOREIGN : text);
}

async function startRun() {
  run?.controller.abort();
  const step = form.pace.value === "step";
  const controller = new AbortController();
  const own = run = { controller, step, experiment: form.experiment.value };
  own.calls = 0;
  queue.length = 0;
  for (const end of Object.values(ends)) {
    Object.assign(end, { held: [], waiting: [], said: "starts" });
    end.terminal.replaceChildren();
  }
  $("calls").replaceChildren();
  $("hint").hidden = true;
  $("result").hidden = true;
  $("stage").classList.toggle("stepping", step);
  say("Starting both ends …");
  update();
  if ($("stage").getBoundingClientRect().top > innerHeight / 2) {
    $("status").scrollIntoView();
  }
  const { experiment, server, client } = form;
  const order = {
    experiment: experiment.value,
    server: server.value,
    client: client.value,
    step,
    flags: flags(),
  };
  try {
    const { body } = await ask("/runs", order, controller.signal);
    await follow(body, own);
  } catch (error) {
    if (run === own && !controller.signal.aborted) {
      run.fault = error instanceof TypeError ? GONE : error.message;
    }
  }
  if (run === own && !own.over) {
    own.over = true;
    own.fault ??= GONE;
    tell();
    update();
  }
}

/** Takes each line of the answer as an event, until it ends. */
async function follow(body, own) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done || run !== own) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    queue.push(...lines.filter(Boolean).map((line) => JSON.parse(line)));
    if (queue.length > 0) requestAnimationFrame(draw);
  }
}

async function next(end, on) {
  const order = { end: end.name, run: on };
  if (on) end.held = [];
  else end.held.shift();
  end.said = "runs";
  update();
  await ask(`/runs/${run.id}/next`, order);
}

const stop = () => ask(`/runs/${run.id}/stop`, {});

async function download({ dataset: { file } }) {
  const blob = await (await ask(`/runs/${run.id}/${file}`)).blob();
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${run.experiment}.${file.split(".").at(-1)}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- What comes of it ---

const queue = [];

/** Shows as many events as a frame has time for. */
function draw() {
  if (queue.length === 0) return;
  const boxes = all(".scroll").filter((box) =>
    box.scrollHeight - box.scrollTop - box.clientHeight < 40
  );
  const end = performance.now() + 10; // ms
  while (queue.length > 0 && performance.now() < end) take(queue.shift());
  update();
  tell();
  for (const box of boxes) box.scrollTop = box.scrollHeight;
  if (queue.length > 0) requestAnimationFrame(draw);
}

function take(event) {
  const end = ends[event.end];
  switch (event.event) {
    case "run":
      run.id = event.id;
      for (const { name, terminal } of Object.values(ends)) {
        terminal.append(element("kbd", `$ ${event.commands[name]}`));
        ends[name].said = "runs";
      }
      break;
    case "line":
      end.terminal.append(element("span", event.line));
      break;
    case "held":
      end.held.push(event);
      break;
    case "waiting":
      end.waiting.push(event);
      break;
    case "call":
      addCall(event, end);
      break;
    case "ended":
      Object.assign(end, { held: [], waiting: [], said: event.how });
      break;
    case "done":
      run.same = event.same;
      $("result").children[1].replaceChildren(parsed(event.html));
      $("result").hidden = false;
      break;
    case "fault":
      run.fault = event.text;
  }
  run.over ||= Boolean(event.event === "fault" || event.event === "done");
}

/** The last row of a call is the call itself, those before it what arrived. */
function addCall({ id, html }, end) {
  const rows = parsed(html);
  for (const row of rows.children) row.role = "listitem";
  for (const cell of all("td", rows)) cell.role = "presentation";
  const call = rows.querySelector(".call code");
  call.role = "button";
  call.ariaHasPopup = "dialog";
  call.tabIndex = run.calls === 0 ? 0 : -1;
  call.dataset.id = id;
  call.ariaLabel = `${end.name}: ${call.textContent}`;
  $("calls").append(rows);
  run.calls++;
  const made = call.textContent.replace(/^\[.*?\]\s/, "");
  const ended = end.waiting.findIndex(({ text }) =>
    made.startsWith(text.match(/^\w+\(\d*/)[0])
  );
  if (ended >= 0) end.waiting.splice(ended, 1);
}

/** Says what each end does, and which orders it takes. */
function update() {
  const running = Boolean(run && !run.over);
  enable($("run"), choices.experiments.length > 0 && !running);
  enable($("stop"), running && run.id);
  $("count").textContent = run?.calls ? `(${run.calls})` : "";
  const pace = running ? run.step : form.pace.value === "step";
  const rows = Object.values(ends).flatMap((end) => {
    for (const button of [end.next, end.on]) {
      button.hidden = !pace;
      enable(button, running && end.held.length > 0);
    }
    const { said, call } = standing(end);
    const lines = [element("p", call ? `${said}:` : said)];
    if (call) {
      lines.push(element("p", element("code", call.text)));
      lines.push(element("p", call.man));
    }
    const key = `${said} ${call?.text} ${end.waiting.length}`;
    if (end.key !== key) {
      end.key = key;
      end.state.replaceChildren(...lines);
    }
    if (!call) return [];
    const kind = end.held.length > 0 ? "held" : "waiting";
    return row(`call ${kind}`, end.name, `${said}: ${call.text}`);
  });
  $("now").replaceChildren(...rows, row("rest", ""));
}

/** What an end does, and the call that this is about. */
function standing({ held, waiting, said }) {
  if (held.length > 0) return { said: "Next call", call: held[0] };
  if (waiting.length === 0) return { said };
  const call = waiting.at(-1);
  return { said: `waiting in ${call.call}()`, call };
}

function row(kind, end, text) {
  const cell = element("td", ...(text ? [element("code", text)] : []));
  cell.colSpan = 2;
  cell.className = end;
  const row = element("tr", element("td"), cell);
  row.firstChild.className = "time";
  row.className = kind;
  return row;
}

// --- The status ---

let quiet; // a timer

/** Tells how the run stands when nothing has happened for a moment. */
function tell() {
  clearTimeout(quiet);
  quiet = setTimeout(() => say(...howItStands()), 200); // ms
}

function howItStands() {
  if (run.fault) return [run.fault, true];
  if (run.same === true) {
    return ["Both ends have ended. The output is what the header says."];
  }
  if (run.same === false) {
    return [
      "Both ends have ended. The output is not what the header says.",
      true,
    ];
  }
  const [server, client] = Object.values(ends).map((end) => {
    const { said, call } = standing(end);
    return said === "Next call" ? `next is ${call.call}()` : said;
  });
  return [`Running. Server: ${server}. Client: ${client}.`];
}

function say(text, failed = false) {
  $("status").classList.toggle("failed", failed);
  if ($("status").textContent !== text) $("status").textContent = text;
}

// --- A call ---

async function showCall({ dataset: { id } }) {
  const call = await (await ask(`/runs/${run.id}/calls/${id}`)).json();
  const { text, end, time, begun, took, bytes, data, cut, man } = call;
  $("call").textContent = `${end}: ${text}`;
  dialog.querySelector(".man").textContent = man ?? "";
  const ms = (value) => `${value.toFixed(3)} ms`;
  const facts = {
    Made: `${ms(begun ?? time)} after the start`,
    Done: `${ms(time)} after the start`,
    Took: took ? ms(took) : "returned at once",
    ...(bytes === undefined ? {} : { Bytes: bytes.toLocaleString("en") }),
  };
  dialog.querySelector("dl").replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      element("div", element("dt", name), element("dd", value))
    ),
  );
  const octets = Uint8Array.from(atob(data ?? ""), (c) => c.charCodeAt(0));
  const [head, shown, , hex] = dialog.querySelector(".bytes").children;
  dialog.querySelector(".bytes").hidden = octets.length === 0;
  head.textContent = cut ? "The first bytes as text" : "Bytes as text";
  shown.textContent = textOf(octets);
  hex.replaceChildren(...hexRows(octets));
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** UTF-8 if it is; what cannot be seen is escaped. */
function textOf(octets) {
  try {
    return escaped(new TextDecoder("utf-8", { fatal: true }).decode(octets));
  } catch {
    return escaped(Array.from(octets, (o) => String.fromCharCode(o)).join(""));
  }
}

function escaped(text) {
  const names = { "\n": "\\n\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\\\x80-\xff]/gu, (one) => {
    const hex = one.codePointAt(0).toString(16).padStart(2, "0");
    return names[one] ?? (hex.length > 2 ? `\\u{${hex}}` : `\\x${hex}`);
  });
}

/** 16 bytes a row: the offset, twice eight in hex, twice eight as text. */
function* hexRows(octets) {
  for (let at = 0; at < octets.length; at += 16) {
    const halves = [at, at + 8].map((from) => octets.subarray(from, from + 8));
    const [hex, text] = [
      (o) => o.toString(16).padStart(2, "0"),
      (o) => o > 31 && o < 127 ? String.fromCharCode(o) : ".",
    ].map((write, index) =>
      halves.map((half) => Array.from(half, write).join(index ? "" : " "))
    );
    const cells = [at.toString(16).padStart(4, "0"), ...hex, ...text];
    yield element("div", ...cells.map((cell) => element("span", cell)));
  }
}

// --- Elements ---

function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

/** The server's own markup: rows, or a paragraph. */
function parsed(html) {
  const template = element("template");
  template.innerHTML = html;
  return template.content;
}

/** A button that rests keeps the focus, so it is never `disabled`. */
function enable(button, on) {
  button.ariaDisabled = String(!on);
}

function click(button) {
  if (button.ariaDisabled === "true" || button.hidden) return;
  const end = ends[button.closest(".end")?.querySelector("h2").id];
  if (end) return next(end, "on" in button.dataset);
  if (button.id === "run") return startRun();
  if (button.id === "stop") return stop();
  if (button.id === "close") return dialog.close();
  if (button.dataset.file) return download(button);
  if (button.dataset.id) return showCall(button);
}

/** Tells the reader what went wrong. */
async function safely(work) {
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  }
}

addEventListener("click", ({ target }) => {
  const button = target.closest("button, [role=button]");
  if (button) safely(() => click(button));
});
$("order").addEventListener("submit", (event) => event.preventDefault());
$("order").addEventListener("change", ({ target }) => {
  if (target === form.experiment) choose();
  else update();
});
addEventListener("hashchange", () => safely(start));

const keys = {
  s: ends.server.next,
  c: ends.client.next,
  S: ends.server.on,
  C: ends.client.on,
  r: $("run"),
  Escape: $("stop"),
};

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (target.role === "button" && moved(event)) return event.preventDefault();
  const typing = target.matches(
    "select, input:not([type=radio], [type=checkbox])",
  );
  if (typing || !$("keys").checked || !keys[key]) return;
  event.preventDefault();
  safely(() => click(keys[key]));
});

/** In the list of calls: Enter opens, and arrows lead from call to call. */
function moved({ key, target }) {
  if (key === "Enter" || key === " ") target.click();
  const calls = all("#calls [role=button]");
  const at = calls.indexOf(target);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: -1 }[key];
  const next = to === undefined ? undefined : calls.at(
    Math.min(Math.max(to, key === "End" ? -1 : 0), calls.length - 1),
  );
  if (next) {
    target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  return key === "Enter" || key === " " || next;
}

safely(start);
