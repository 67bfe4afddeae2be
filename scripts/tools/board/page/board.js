/**
 * What the board's page does: it orders a run, and shows what comes of it. Rows
 * of the drawing and the result are the server's markup; all else is text.
 */
const GONE = "The board does not answer. Start it again, and open the " +
  "address that it prints.";
const FOREIGN = "This page lacks the board's key. Open the whole address " +
  "that the board has printed, with what follows the #.";

const $ = (selector) => document.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const form = $("#order").elements;
const dialog = $("dialog");

/** Each end: its calls that are held, those that wait, and what else it does. */
const ends = ["server", "client"].map((name) => ({
  ...{ name, held: [], waiting: [], said: "not started" },
  panel: $(`.end.${name}`).children,
  buttons: $$(`.end.${name} button`),
  now: $(`#now .${name}`),
  terminal: $(`.part.${name} pre`),
}));
for (const { name, buttons: [next, on] } of ends) {
  next.ariaLabel = `Next call of the ${name}`;
  on.ariaLabel = `Run on with the ${name}`;
}

let [token, experiments] = ["", []];
let run = { over: true, calls: 0 };
const events = [];

/**
 * Takes the token from the address, which a projector or a screenshot would show;
 * a reload finds it in the storage of this tab.
 */
async function start() {
  token = location.hash.slice(1) || sessionStorage.getItem("token");
  if (!token) throw new Error(FOREIGN);
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname);
  const choices = await (await ask("/choices")).json();
  ({ experiments } = choices);
  form.experiment.append(...experiments.map(({ name }) => new Option(name)));
  form.experiment.value = "tcp_time";
  for (const { name, version } of choices.runtimes) {
    form.server.append(new Option(`${name} ${version}`, name));
    form.client.append(new Option(`${name} ${version}`, name));
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
    experiments[form.experiment.selectedIndex];
  $("#fact").replaceChildren(element("b", title), fact.replace(title, ""));
  $("#order pre").textContent = output.join("\n");
  $("#flags").replaceChildren(...flags.map(({ name, value, help }) => {
    const input = element("input");
    input.name = name;
    return element("label", `--${name} ${value}: ${help}`, input);
  }));
  form.step.checked = steps;
  form.step.disabled = !steps;
  say(steps ? "Ready." : "Ready. This lives by the clock, without stops.");
  update();
}

async function startRun() {
  run.controller?.abort();
  const fields = Object.fromEntries(new FormData($("#order")));
  const { experiment, server, client, step, ...flags } = fields;
  const order = { experiment, server, client, step: step === "on", flags };
  const own = run = { ...order, calls: 0, controller: new AbortController() };
  for (const end of ends) {
    Object.assign(end, { held: [], waiting: [], said: "starts", over: false });
    end.terminal.replaceChildren();
  }
  events.length = 0;
  $("#calls").replaceChildren();
  $("#hint").hidden = $("#result").hidden = true;
  const { top } = $("#stage").getBoundingClientRect();
  if (top > innerHeight / 2) $("#status").scrollIntoView();
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
  if (event.event === "run") {
    run.id = event.id;
    for (const end of ends) {
      end.terminal.append(element("b", `$ ${event.commands[end.name]}`));
      end.said = "running";
    }
  } else if (event.event === "line") {
    end.terminal.append(element("span", event.line));
  } else if (event.event === "call") {
    addCall(event, end);
  } else if (event.event === "ended") {
    Object.assign(end, { held: [], waiting: [], said: event.how, over: true });
    run.over = ends.every(({ over }) => over);
  } else if (event.event === "done") {
    run.same = event.same;
    $("#result div").replaceChildren(parsed(event.html));
    $("#result").hidden = false;
  } else if (event.event === "fault") {
    Object.assign(run, { over: true, fault: event.text });
  } else end[event.event].push(event); // held, waiting
}

/** Adds the rows of a call: what has arrived with it, and the call itself. */
function addCall({ id, text, html }, end) {
  const rows = parsed(html);
  for (const row of rows.children) row.role = "listitem";
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

/**
 * Says what each end does, and which buttons have something to do. One without
 * keeps the focus, so it is never `disabled`.
 */
function update() {
  $("#run").ariaDisabled = !run.over || experiments.length === 0;
  $("#stop").ariaDisabled = run.over || !run.id;
  for (const end of ends) {
    const call = end.held[0] ?? end.waiting.at(-1);
    const [, , said, text, man] = end.panel;
    said.textContent = doing(end);
    text.textContent = call?.text ?? "";
    man.textContent = call?.man ?? "";
    end.now.replaceChildren(...(call ? [element("code", doing(end))] : []));
    for (const button of end.buttons) {
      button.hidden = !(run.over ? form.step.checked : run.step);
      button.ariaDisabled = run.over || end.held.length === 0;
    }
  }
}

function doing({ held, waiting, said }) {
  if (held.length > 0) return `stands before ${held[0].call}()`;
  return waiting.length > 0 ? `waiting in ${waiting.at(-1).call}()` : said;
}

function tell() {
  const [server, client] = ends.map(doing);
  const { fault, over, same, experiment } = run;
  const verdict = `The output is ${same ? "" : "not "}what the header of `;
  if (fault) say(fault, true);
  else if (!over) say(`Server: ${server}. Client: ${client}.`);
  else if (same === undefined) say("Both ends have ended.");
  else say(`Both ends have ended. ${verdict}${experiment} says.`, !same);
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
    else if (end) await next(end, button.className === "on");
    else if (dataset.file) await download(dataset.file);
    else if (dataset.id) await show(dataset.id);
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
  const [, title, about, times, ...content] = dialog.children;
  const ms = (value) => `${value.toFixed(3)} ms`;
  title.textContent = `${end}: ${text}`;
  about.textContent = man;
  times.textContent = took
    ? `Made at ${ms(begun)}, done at ${ms(time)}: it took ${ms(took)}.`
    : `Made at ${ms(time)}; it returned at once.`;
  const octets = Uint8Array.from(atob(data ?? ""), (one) => one.charCodeAt(0));
  for (const part of content) part.hidden = octets.length === 0;
  const [heading, plain, , hex] = content;
  const shown = cut ? `the first ${octets.length} of ${bytes}` : bytes;
  heading.textContent = `Bytes as text (${shown})`;
  const hex4 = (one) => one.codePointAt(0).toString(16).padStart(4, "0");
  plain.textContent = new TextDecoder().decode(octets)
    .replaceAll("\r", "\\r")
    .replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u${hex4(one)}`);
  hex.textContent = hexOf([...octets]);
  dialog.showModal();
}

/** 16 bytes a row: their offset, in hex, and as text; 8 on a narrow screen. */
function hexOf(octets) {
  const wide = matchMedia("(min-width: 40rem)").matches;
  const [size, gap] = wide ? [16, " "] : [8, "\n      "];
  let rows = "";
  for (let at = 0; at < octets.length; at += size) {
    const some = octets.slice(at, at + size);
    const codes = some.map((octet) => octet.toString(16).padStart(2, "0"));
    const text = String.fromCharCode(...some).replace(/[^ -~]/g, ".");
    const offset = at.toString(16).padStart(4, "0");
    rows += `${offset}  ${codes.join(" ").padEnd(size * 3)}${gap}${text}\n`;
  }
  return rows;
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
  const steps = { "Enter": 0, " ": 0, ArrowUp: -1, ArrowDown: 1 };
  const call = calls[calls.indexOf(target) + steps[key]];
  if (!call) return false;
  target.tabIndex = -1;
  call.tabIndex = 0;
  call.focus();
  if (call === target) press(call);
  return true;
}

addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  const edited = target.matches("select, #flags input");
  if (ctrlKey || metaKey || altKey || dialog.open || edited) return;
  if (target.dataset.id && move(key, target)) event.preventDefault();
  else if ($("#keys").checked) {
    press($(`[data-key="${CSS.escape(key.replace("Escape", "Esc"))}"]`));
  }
});
globalThis.onclick = ({ target }) =>
  press(target.closest("button, [role=button]"));
addEventListener("submit", (event) => event.preventDefault());
form.experiment.addEventListener("change", choose);
form.step.addEventListener("change", update);
addEventListener("hashchange", () => location.reload());
update();
start().catch(({ message }) => say(message, true));
