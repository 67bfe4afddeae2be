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
  const [next, on] = $$(`.end.${name} button`);
  next.ariaLabel = `Next call of the ${name}`;
  on.ariaLabel = `Run on with the ${name}`;
  return {
    ...{
      name,
      buttons: [next, on],
      held: [],
      waiting: [],
      said: "not started",
    },
    panel: $(`.end.${name}`).children,
    now: $(`#now .${name}`),
    terminal: $(`.part.${name} pre`),
  };
});

let token = "";
let choices = { experiments: [] };
let run = { over: true, calls: 0 };
const events = [];

/**
 * Takes the key from the part of the address that a browser keeps to itself, and
 * removes it there, where a projector or a screenshot would show it. A reload
 * finds it in the storage of this tab.
 */
async function start() {
  token = location.hash.slice(1) || sessionStorage.getItem("token");
  if (!token) throw new Error(FOREIGN);
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname);
  choices = await (await ask("/choices")).json();
  const names = choices.experiments.map(({ name }) => new Option(name));
  form.experiment.replaceChildren(...names);
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

/** Shows what the chosen experiment is about, and its options. */
function choose() {
  const { title, fact, output, steps, flags } =
    choices.experiments[form.experiment.selectedIndex];
  $("#fact").replaceChildren(element("b", title), fact.replace(title, ""));
  $("#output pre").textContent = output.join("\n");
  $("#flags div").replaceChildren(...flags.map(({ name, value, help }) => {
    const input = element("input");
    input.name = name;
    return element("label", `--${name} ${value}: ${help}`, input);
  }));
  form.pace[0].disabled = !steps;
  form.pace.value = steps ? "step" : "through";
  say(steps ? "Ready." : "Ready. This lives by the clock: no step by step.");
  update();
}

async function startRun() {
  run.controller?.abort();
  const { experiment, server, client, pace } = form;
  const flags = $$("#flags input").filter(({ value }) => value);
  const order = {
    experiment: experiment.value,
    server: server.value,
    client: client.value,
    step: pace.value === "step",
    flags: Object.fromEntries(flags.map(({ name, value }) => [name, value])),
  };
  const own = run = { ...order, calls: 0, controller: new AbortController() };
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
  $("#hint").hidden = $("#result").hidden = true;
  $("#stage").classList.toggle("stepping", run.step);
  $("#status").scrollIntoView({ block: "nearest" });
  say("Starting.");
  update();
  try {
    const { body } = await ask("/runs", order, own.controller.signal);
    await follow(body.pipeThrough(new TextDecoderStream()).getReader(), own);
  } catch ({ message }) {
    if (run === own) events.push({ event: "fault", text: message });
    draw();
  }
}

/** Takes each line of the answer as an event. */
async function follow(reader, own) {
  for (let rest = ""; run === own;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done && own.over) return;
    if (done) throw new Error(GONE);
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    events.push(...lines.map((line) => JSON.parse(line)));
    requestAnimationFrame(draw);
  }
}

/** Shows as many events as a frame has time for. */
function draw() {
  const atEnd = $$(".scroll").filter((box) =>
    box.scrollHeight - box.scrollTop - box.clientHeight < 40
  );
  const end = performance.now() + 10; // ms
  while (events.length > 0 && performance.now() < end) take(events.shift());
  update();
  clearTimeout(quiet);
  quiet = setTimeout(tell, 200); // ms
  for (const box of atEnd) box.scrollTop = box.scrollHeight;
  if (events.length > 0) requestAnimationFrame(draw);
}

let quiet; // a timer: the status tells what stays, not what passes

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
function addCall({ id, text, html }, end) {
  const rows = parsed(html);
  for (const row of rows.children) {
    row.role = "listitem";
    for (const cell of row.children) cell.role = "presentation";
  }
  const call = rows.querySelector(".call code");
  call.dataset.id = id;
  call.role = "button";
  call.ariaLabel = `${end.name}: ${text}`;
  call.tabIndex = run.calls++ === 0 ? 0 : -1;
  $("#calls").append(rows);
  // The call that has waited, by its name and descriptor.
  const [begun] = text.match(/^\w+\(\d*/);
  const at = end.waiting.findIndex(({ text }) => text.startsWith(begun));
  if (at >= 0) end.waiting.splice(at, 1);
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
    end.now.replaceChildren(
      ...(call ? [element("code", `${what}: ${call.text}`)] : []),
    );
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

function tell() {
  const { fault, over, same, experiment } = run;
  const [server, client] = ends.map((end) => {
    const { what, call } = standing(end);
    return call === end.held[0] && call ? `stands before ${call.call}()` : what;
  });
  const verdict = same === undefined
    ? ""
    : ` The output is ${
      same ? "" : "not "
    }what the header of ${experiment} says.`;
  if (fault) say(fault, true);
  else if (over) say(`Both ends have ended.${verdict}`, same === false);
  else say(`Server: ${server}. Client: ${client}.`);
}

function say(text, failed = false) {
  $("#status").classList.toggle("failed", failed);
  if ($("#status").textContent !== text) $("#status").textContent = text;
}

/** Does what a button says, or says why not. */
async function press(button) {
  if (!button || button.ariaDisabled === "true" || button.hidden) return;
  const { id, dataset } = button;
  const end = ends.find(({ buttons }) => buttons.includes(button));
  try {
    if (id === "run") await startRun();
    else if (id === "stop") await ask(`/runs/${run.id}/stop`, {});
    else if (id === "close") dialog.close();
    else if (dataset.file) await download(dataset.file);
    else if (dataset.id) await show(dataset.id);
    else if (end) await next(end, button === end.buttons[1]);
  } catch ({ message }) {
    say(message, true);
  }
}

async function next(end, on) {
  end.held = on ? [] : end.held.slice(1);
  update();
  await ask(`/runs/${run.id}/next`, { end: end.name, run: on });
}

async function download(file) {
  const blob = await (await ask(`/runs/${run.id}/${file}`)).blob();
  const link = element("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${run.experiment}.${file}`;
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
      Made: `at ${ms(begun)}`,
      Done: `at ${ms(time)}`,
      Took: took ? ms(took) : "returned at once",
      Bytes: bytes?.toLocaleString("en") ?? "none",
    }).map(([name, value]) =>
      element("div", element("dt", name), element("dd", value))
    ),
  );
  const octets = Uint8Array.from(atob(data ?? ""), (one) => one.charCodeAt(0));
  for (const part of content) part.hidden = octets.length === 0;
  content[0].textContent = cut ? "The first bytes as text" : "Bytes as text";
  content[1].textContent = textOf(octets);
  content[3].textContent = hexOf([...octets]);
  dialog.showModal();
}

/** UTF-8, or else each byte; what cannot be seen is escaped. */
function textOf(octets) {
  let text = new TextDecoder().decode(octets);
  if (text.includes("\ufffd")) {
    text = Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
  }
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\\\x80-\xff]/gu, (one) => {
    const short =
      { "\n": "\\n\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" }[one];
    const hex = one.codePointAt(0).toString(16).padStart(2, "0");
    return short ?? (hex.length > 2 ? `\\u{${hex}}` : `\\x${hex}`);
  });
}

/** 16 bytes a row: their offset, in hex, and as text; 8 on a narrow screen. */
function hexOf(octets) {
  const wide = matchMedia("(min-width: 40rem)").matches;
  const size = wide ? 16 : 8;
  const hex = (number, length) => number.toString(16).padStart(length, "0");
  const rows = Array.from({ length: octets.length / size + 1 }, (_, row) => {
    const some = octets.slice(row * size, (row + 1) * size);
    const codes = some.map((octet) => hex(octet, 2)).join(" ");
    const text = String.fromCharCode(...some).replace(/[^ -~]/g, ".");
    const gap = wide ? "  " : "\n      ";
    return `${hex(row * size, 4)}  ${codes.padEnd(3 * size - 1)}${gap}${text}`;
  });
  return rows.slice(0, Math.ceil(octets.length / size)).join("\n");
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

/** On a call: Enter opens it, and the arrows lead to others. */
function move(key, target) {
  const calls = $$("#calls [role=button]");
  const [at, last] = [calls.indexOf(target), calls.length - 1];
  const moves = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: last };
  const call = key === "Enter" || key === " " ? target : calls[moves[key]];
  if (call === target) press(call);
  target.tabIndex = -1;
  (call ?? target).tabIndex = 0;
  call?.focus();
  return call;
}

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const edited = target.matches("select, #flags input");
  if (ctrlKey || metaKey || altKey || dialog.open || edited) return;
  if (target.dataset.id && move(key, target)) event.preventDefault();
  else if ($("#keys").checked) press(keys[key]);
});
addEventListener(
  "click",
  ({ target }) => press(target.closest("button, [role=button]")),
);
$("#order").addEventListener("submit", (event) => event.preventDefault());
$("#order").addEventListener("change", ({ target }) => {
  if (target === form.experiment) choose();
  else update();
});
addEventListener("hashchange", () => location.reload());
update();
start().catch(({ message }) => say(message, true));
