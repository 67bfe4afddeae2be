/**
 * How the HTML report looks: one column of text, in which the terminals stand a
 * little wider; on paper, black on white.
 *
 * @module
 */
export const STYLE = `:root {
  --paper: light-dark(#fcfbf8, #16191c); --ink: light-dark(#24282d, #e3e1db);
  --quiet: light-dark(#5c636b, #a3a9b0); --rule: light-dark(#dcd8cd, #363b41);
  --field: light-dark(#f4f1ea, #1e2226); --failed: light-dark(#ad2018, #ff9c92);
  --server: light-dark(#1d5c88, #86bce6); --client: light-dark(#94471a, #e9ab7f);
  --screen: light-dark(#20262c, #0d0f11); --bar: light-dark(#2d353d, #23282d);
  --glow: #e9e6de; --bar-server: #9cc9ea; --bar-client: #f0b88f;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4",
    Cambria, Georgia, serif;
  --sans: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas,
    "DejaVu Sans Mono", "Liberation Mono", monospace;
  color-scheme: light dark;
}
* { box-sizing: border-box; text-size-adjust: 100%; }
body {
  margin: 0; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 var(--serif); overflow-wrap: break-word;
}
header, footer, main > section > * { max-width: 44rem; margin-inline: auto; }
header { padding: 4.5rem 0 1.75rem; border-bottom: 1px solid var(--rule); }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; }
h1 { margin: 0.35rem 0; font-size: clamp(2.1rem, 8vw, 2.6rem); font-weight: 600; letter-spacing: -0.01em; }
h2 { margin: 3.25rem auto 1rem; font-size: 1.5rem; font-weight: 600; }
h3 { margin: 1.75rem 0 0.6rem; font: 600 0.95rem/1.2 var(--sans); color: var(--quiet); }
h3::before {
  content: ""; display: inline-block; width: 0.6em; height: 0.6em;
  margin-right: 0.55em; border-radius: 50%; background: currentColor;
}
.server > h3, th.server, .sequence .server b, .server code::before { color: var(--server); }
.client > h3, th.client, .sequence .client b, .client code::before { color: var(--client); }
p, ul, ol { margin: 0 0 1rem; }
ol, ul { padding-left: 1.5em; }
li { margin-bottom: 0.45rem; padding-left: 0.15em; }
li::marker { color: var(--quiet); }
header p { margin: 0; color: var(--quiet); }
.experiment { font: 0.9rem/1.4 var(--mono); }
.aim > p { font-size: 1.25rem; line-height: 1.5; }
footer { margin-block: 4rem 3rem; border-top: 1px solid var(--rule); }
footer p { margin: 1.25rem 0 0; color: var(--quiet); font-size: 0.9rem; }
footer code { display: inline-block; max-width: 100%; }

code, pre, samp { font-family: var(--mono); }
code { font-size: 0.86em; overflow-wrap: anywhere; }
pre {
  margin: 0 0 1rem; padding: 0.9rem 1.1rem; border-radius: 6px;
  background: var(--field); font-size: 0.8125rem; line-height: 1.55;
  white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
}
pre > * { font-size: inherit; unicode-bidi: plaintext; }
.command code::before { content: "$ "; color: var(--quiet); }

table {
  width: 100%; margin: 0 auto 1.25rem; border-collapse: collapse;
  font: 0.9rem/1.45 var(--sans); font-variant-numeric: tabular-nums;
}
th, td {
  padding: 0.45rem 0.75rem 0.45rem 0; border-bottom: 1px solid var(--rule);
  text-align: left; vertical-align: baseline;
}
th { font-weight: 600; }
thead th { color: var(--quiet); font-size: 0.82rem; white-space: nowrap; }
tbody th code { overflow-wrap: normal; }

.output > .parts { max-width: 68rem; display: grid; gap: 1rem; }
.output .part {
  overflow: hidden; min-width: 0; border: 1px solid var(--bar); border-radius: 8px;
  background: var(--screen); color: var(--glow);
}
.output h3 { margin: 0; padding: 0.65rem 1rem; background: var(--bar); }
.output .server > h3 { color: var(--bar-server); }
.output .client > h3 { color: var(--bar-client); }
.output .part > :not(h3) { margin: 0; padding: 0.9rem 1rem 1.1rem; background: none; }
.output .part > p { font-style: italic; }
@media (min-width: 40rem) {
  .algorithm > .parts { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2.5rem; }
  .algorithm h3 { margin-top: 0.5rem; }
  .output > .parts:not(.long) { grid-template-columns: 1fr 1fr; }
}
@media (min-width: 60rem) { .output > .long { grid-template-columns: 1fr 1fr; } }

.sequence { font: 0.78rem/1.5 var(--mono); }
.sequence :is(th, td) { border: 0; padding: 0.1rem 1rem; }
.sequence :is(.ms, .time) { width: 1px; padding-inline: 0 1rem; text-align: right; }
.sequence .time { color: var(--quiet); white-space: nowrap; }
.sequence .client { text-align: right; }
.sequence td[colspan] { border: 0 solid var(--rule); border-width: 0 2px; }
.sequence code { display: block; position: relative; padding-block: 0.1rem; font-size: inherit; }
.sequence code::before {
  content: ""; position: absolute; top: 0.45em; left: calc(-1rem - 5px);
  border: 4px solid; border-radius: 50%;
}
.sequence .client code::before { left: auto; right: calc(-1rem - 5px); }
.sequence :is(.failed, .failed b, .failed::before) { color: var(--failed); }
.sequence p { display: flex; margin: 0 -0.9rem; color: var(--quiet); font-size: 0.92em; }
.sequence .client p { flex-direction: row-reverse; }
.sequence span { flex: 1; display: flex; align-items: center; gap: 0.5rem; }
.sequence span::before, .sequence span::after { content: ""; flex: 1; border-top: 1px solid; }
.signal span::before, .signal span::after { border-top-style: dashed !important; }

@media (max-width: 30rem) {
  body { font-size: 1rem; }
  header { padding-top: 2.5rem; }
  pre { font-size: 0.72rem; padding-inline: 0.75rem; }
  table { font-size: 0.82rem; }
  thead th { white-space: normal; }
}

@page { size: A4; margin: 18mm 17mm 20mm; }
@media print {
  :root {
    --paper: #fff; --ink: #000; --quiet: #444; --rule: #bbb; --field: #fff;
    --server: #174a6e; --client: #7d3a13; --failed: #9b1c15; --screen: #fff;
    --glow: #000; --bar: #f1f1f1; --bar-server: #174a6e; --bar-client: #7d3a13;
    color-scheme: light;
  }
  html { font-size: 11.5pt; }
  body { padding: 0 1px; font-size: 1rem; line-height: 1.45; orphans: 3; widows: 3; }
  header { padding-top: 0; }
  h1, h2, h3, .data, .signal { break-after: avoid; }
  h2 { margin-top: 1.9rem; }
  li, tr, .command, .output .part, footer { break-inside: avoid; }
  .sequence { width: calc(100% - 6px); }
  .output .part { border-color: var(--rule); }
  pre { padding: 0; font-size: 8pt; line-height: 1.45; }
  .part > pre.program { padding-left: 0.8em; border-left: 1.5pt solid var(--rule); border-radius: 0; }
  footer { margin-block: 1.5rem 0; break-before: avoid; }
}
`;
