/**
 * What the board's page does: it orders a run, and shows what comes of it. Rows
 * of the drawing and the result are the server's markup; all else is text.
 */

const GONE = "The board does not answer. Start it again, and open the " +
  "address that it prints.";
const FOREIGN =
  "This page lacks the board's key. Open the whole address that " +
  "the board has printed, with what follows the #.";

const $ = (selector) => document.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const form = $("#order").elements;
const dialog = $("dialog");
const keys = Object.fromEntries(
  $$("[data-key]").map((button) => {
    button.ariaKeyShortcuts = button.dataset.key;
    return [button.dataset.key, button];
  }),
);

/** Each end: its calls that are held, those that wait, and what else it does. */
const ends = ["server", "client"].map((name) => {
  const end = { name, held: [], waiting: [], said: "not started" };
  end.panel = $(`.end.${name}`).children;
  end.buttons = $$(`.end.${name} button`);
  end.buttons[0].ariaLabel = `Next call of the ${name}`;
  end.buttons[1].ariaLabel = `Run on with the ${name}`;
  end.terminal = $(`.part.${name} pre`);
  end.now = $(`#now .${name}`);
  return end;
});

let token = "";
let choices = { experiments: [], runtimes: [] };
let run = { over: true, calls: 0 };

/**
 * Takes the key from the part of the address that a browser keeps to itself, and
 * removes it there, where a projector or a screenshot would show it. A reload
 * finds it in the storage of this tab.
 */
function takeToken() {
  token = location.hash.slice(1) || sessionStorage.getItem("token");
  if (!token) throw new Error(FOREIGN);
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname);
}

/** Asks the board; throws what the reader should know if it refuses. */
async function ask(path, order, signal) {
  const response = await fetch(path, {
    method: order ? "POST" : "GET",
    headers: { "Lab-Token": token, "Content-Type": "application/json" },
    body: order && JSON.stringify(order),
    signal,
  }).catch(() => {
    throw new Error(GONE);
  });
  if (response.ok) return response;
  throw new Error(response.status === 403 ? FOREIGN : await response.text());
}

async function start() {
  takeToken();
  choices = await (await ask("/choices")).json();
  form.experiment.replaceChildren(
    ...choices.experiments.map(({ name }) => new Option(name)),
  );
  form.experiment.value = "tcp_time";
  for (const end of [form.server, form.client]) {
    end.replaceChildren(
      ...choices.runtimes.map(({ name, version }) =>
        new Option(`${name} ${version}`, name)
      ),
    );
  }
  choose();
}

/** Shows what the chosen experiment is about, and its options. */
function choose() {
  const { title, fact, output, steps, flags } =
    choices.experiments[form.experiment.selectedIndex];
  $("#fact").replaceChildren(element("b", title), fact.replace(title, ""));
  $("#output pre").textContent = output.join("\n");
  $("#flags").hidden = flags.length === 0;
  $("#flags div").replaceChildren(...flags.map(({ name, value, help }) => {
    const input = element("input");
    input.name = name;
    if (!value) input.type = "checkbox";
    return element("label", `--${name}: ${help}`, input);
  }));
  form.pace[0].disabled = !steps;
  form.pace.value = steps ? "step" : "through";
  say(
    steps ? "Ready." : "Ready. No step by step here: this lives by the clock.",
  );
  update();
}

async function startRun() {
  run.controller?.abort();
  const { experiment, server, client, pace } = form;
  const step = pace.value === "step";
  const own = run = { step, name: experiment.value, calls: 0 };
  own.controller = new AbortController();
  for (const end of ends) {
    Object.assign(end, {
      held: [],
      waiting: [],
      said: "starting",
      over: false,
    });
    end.terminal.replaceChildren();
  }
  events.length = 0;
  $("#calls").replaceChildren();
  $("#hint").replaceChildren();
  $("#result").hidden = true;
  $("#stage").classList.toggle("stepping", step);
  $("#status").scrollIntoView({ block: "nearest" });
  say("Starting.");
  update();
  const flags = Object.fromEntries(
    $$("#flags input").filter(({ type, checked, value }) =>
      type === "checkbox" ? checked : value
    ).map(({ name, type, value }) => [name, type === "checkbox" ? "" : value]),
  );
  const order = { experiment: own.name, server: server.value, step, flags };
  order.client = client.value;
  try {
    const { body } = await ask("/runs", order, own.controller.signal);
    await follow(body, own);
    throw new Error(GONE);
  } catch (error) {
    if (run !== own || own.over) return;
    Object.assign(own, { over: true, fault: error.message });
    update();
    tell();
  }
}

/** Takes each line of the answer as an event. */
async function follow(body, own) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; run === own;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    events.push(...lines.map((line) => JSON.parse(line)));
    requestAnimationFrame(draw);
  }
}

const events = [];

/** Shows as many events as a frame has time for. */
function draw() {
  const atEnd = $$(".scroll").filter((box) =>
    box.scrollHeight - box.scrollTop - box.clientHeight < 40
  );
  const end = performance.now() + 10; // ms
  while (events.length > 0 && performance.now() < end) take(events.shift());
  update();
  tell();
  for (const box of atEnd) box.scrollTop = box.scrollHeight;
  if (events.length > 0) requestAnimationFrame(draw);
}

function take(event) {
  const end = ends.find(({ name }) => name === event.end);
  switch (event.event) {
    case "run":
      run.id = event.id;
      for (const end of ends) {
        end.terminal.append(element("kbd", `$ ${event.commands[end.name]}`));
        end.said = "running";
      }
      break;
    case "line":
      end.terminal.append(element("span", event.line));
      break;
    case "held":
    case "waiting":
      end[event.event].push(event);
      break;
    case "call":
      addCall(event, end);
      break;
    case "ended":
      Object.assign(end, {
        held: [],
        waiting: [],
        said: event.how,
        over: true,
      });
      run.over = ends.every(({ over }) => over);
      break;
    case "done":
      run.same = event.same;
      $("#result div").replaceChildren(parsed(event.html));
      $("#result").hidden = false;
      break;
    case "fault":
      Object.assign(run, { over: true, fault: event.text });
  }
}

/** Adds the rows of a call: what has arrived with it, and the call itself. */
function addCall({ id, html }, end) {
  const rows = parsed(html);
  for (const row of rows.children) {
    row.role = "listitem";
    for (const cell of row.children) cell.role = "presentation";
  }
  const call = rows.querySelector(".call code");
  call.dataset.id = id;
  call.role = "button";
  call.ariaHasPopup = "dialog";
  call.ariaLabel = `${end.name}: ${call.textContent}`;
  call.tabIndex = run.calls++ === 0 ? 0 : -1;
  $("#calls").append(rows);
  const made = end.waiting.findIndex(({ text }) =>
    call.textContent.includes(text.match(/^\w+\(\d*/)[0])
  );
  if (made >= 0) end.waiting.splice(made, 1);
}

/** Says what each end does, and which buttons have something to do. */
function update() {
  enable($("#run"), run.over && choices.experiments.length > 0);
  enable($("#stop"), !run.over && run.id);
  $("#count").textContent = run.calls ? `(${run.calls})` : "";
  for (const end of ends) {
    const { what, call } = standing(end);
    const [, , said, text, man] = end.panel;
    said.textContent = what;
    text.textContent = call?.text ?? "";
    man.textContent = call?.man ?? "";
    const code = element("code", `${what}: ${call?.text}`);
    code.className = end.held.length > 0 ? "held" : "waiting";
    end.now.replaceChildren(...(call ? [code] : []));
    for (const button of end.buttons) {
      button.hidden = !(run.over ? form.pace.value === "step" : run.step);
      enable(button, !run.over && end.held.length > 0);
    }
  }
}

function standing({ held, waiting, said }) {
  if (held.length > 0) return { what: "next call", call: held[0] };
  const call = waiting.at(-1);
  return { what: call ? `waiting in ${call.call}()` : said, call };
}

/** A button without a use keeps the focus: it is never `disabled`. */
function enable(button, on) {
  button.ariaDisabled = String(!on);
}

let quiet; // a timer

/** Says how the run stands, once nothing more has happened for a moment. */
function tell() {
  clearTimeout(quiet);
  quiet = setTimeout(() => {
    if (run.fault) return say(run.fault, true);
    if (run.over) {
      const not = run.same ? "" : "not ";
      const text =
        `Both ends have ended. The output is ${not}what the header of `;
      return say(`${text}${run.name} says.`, !run.same);
    }
    const [server, client] = ends.map((end) => {
      const { what, call } = standing(end);
      return end.held.length > 0 ? `stands before ${call.call}()` : what;
    });
    say(`Server: ${server}. Client: ${client}.`);
  }, 200); // ms
}

function say(text, failed = false) {
  $("#status").classList.toggle("failed", failed);
  if ($("#status").textContent !== text) $("#status").textContent = text;
}

function press(button) {
  if (button.ariaDisabled === "true" || button.hidden) return;
  const { id, dataset } = button;
  if (id === "run") return startRun();
  if (id === "stop") return ask(`/runs/${run.id}/stop`, {});
  if (id === "close") return dialog.close();
  if (dataset.file) return download(dataset.file);
  if (dataset.id) return show(dataset.id);
  const end = ends.find(({ buttons }) => buttons.includes(button));
  const on = button === end.buttons[1];
  end.held = on ? [] : end.held.slice(1);
  update();
  return ask(`/runs/${run.id}/next`, { end: end.name, run: on });
}

async function download(file) {
  const blob = await (await ask(`/runs/${run.id}/${file}`)).blob();
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = file.replace(/^\w+/, run.name);
  link.click();
}

/** Opens all that is known of a call. */
async function show(id) {
  const call = await (await ask(`/runs/${run.id}/calls/${id}`)).json();
  const { text, end, time, begun = time, took, bytes, data, cut, man } = call;
  const [, name, about, facts, ...content] = dialog.children;
  name.textContent = `${end}: ${text}`;
  about.textContent = man;
  const ms = (value) => `${value.toFixed(3)} ms`;
  facts.replaceChildren(
    ...Object.entries({
      Made: `${ms(begun)} after the start`,
      Done: `${ms(time)} after the start`,
      Took: took ? ms(took) : "returned at once",
      Bytes: bytes === undefined ? "none" : bytes.toLocaleString("en"),
    }).map(([name, value]) =>
      element("div", element("dt", name), element("dd", value))
    ),
  );
  const octets = Uint8Array.from(atob(data ?? ""), (one) => one.charCodeAt(0));
  for (const part of content) part.hidden = octets.length === 0;
  content[0].textContent = cut ? "The first bytes as text" : "Bytes as text";
  content[1].textContent = textOf(octets);
  content[3].textContent = hexOf(octets);
  dialog.showModal();
}

/** UTF-8, or else each byte; what cannot be seen is escaped. */
function textOf(octets) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(octets);
  } catch {
    text = Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
  }
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\\\x80-\xff]/gu, (one) => {
    const short =
      { "\n": "\\n\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" }[one];
    const hex = one.codePointAt(0).toString(16).padStart(2, "0");
    return short ?? (hex.length > 2 ? `\\u{${hex}}` : `\\x${hex}`);
  });
}

/** The offset, 16 bytes in hex (8 on a narrow screen), and the same as text. */
function hexOf(octets) {
  const size = matchMedia("(min-width: 40rem)").matches ? 16 : 8;
  let text = "";
  for (let at = 0; at < octets.length; at += size) {
    const some = [...octets.subarray(at, at + size)];
    const hex = some.map((octet) => octet.toString(16).padStart(2, "0"));
    const seen = some.map((octet) =>
      octet > 31 && octet < 127 ? String.fromCharCode(octet) : "."
    );
    text += `${at.toString(16).padStart(4, "0")}  ` +
      `${hex.join(" ").padEnd(3 * size)} ${seen.join("")}\n`;
  }
  return text;
}

function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

function parsed(html) {
  const template = element("template");
  template.innerHTML = html;
  return template.content;
}

/** Does it, or says why not. */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  }
}

addEventListener("click", ({ target }) => {
  const button = target.closest("button, [role=button]");
  if (button) attempt(() => press(button));
});
$("#order").addEventListener("submit", (event) => event.preventDefault());
$("#order").addEventListener("change", ({ target }) => {
  if (target === form.experiment) choose();
  else update();
});
addEventListener("hashchange", () => attempt(start));

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const field = "select, input:not([type=radio], [type=checkbox])";
  if (ctrlKey || metaKey || altKey || dialog.open || target.matches(field)) {
    return;
  }
  if (target.dataset.id && move(key, target)) event.preventDefault();
  else if (keys[key] && $("#keys").checked) attempt(() => press(keys[key]));
});

/** On a call: Enter opens it, and the arrows lead to others. */
function move(key, target) {
  const calls = $$("#calls [role=button]");
  const at = calls.indexOf(target);
  const moves = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0 };
  moves.End = calls.length - 1;
  if (key === "Enter" || key === " ") target.click();
  else if (calls[moves[key]]) {
    target.tabIndex = -1;
    calls[moves[key]].tabIndex = 0;
    calls[moves[key]].focus();
  } else return false;
  return true;
}

update();
attempt(start);
