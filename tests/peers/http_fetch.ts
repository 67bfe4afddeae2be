/**
 * fetch() of a runtime as the client of both HTTP experiments: `http_fetch.ts PORT
 * PORT`, the first one that of http_pages.
 */
import process from "node:process";

const [pages, endings] = process.argv.slice(2).map((port) =>
  `http://127.0.0.1:${port}`
);

async function ask(path: string, options?: RequestInit): Promise<string> {
  const answer = await fetch(`${pages}${path}`, options);
  const text = await answer.text();
  console.log(options?.method ?? "GET", path, answer.status, text.length);
  return text;
}

await ask("/");
await ask("/nothing");
const body = new ReadableStream({
  start(controller) {
    for (const text of ["in ", "chunks"]) {
      controller.enqueue(new TextEncoder().encode(text));
    }
    controller.close();
  },
});
await ask("/fetched", { method: "PUT", body, duplex: "half" } as RequestInit);
console.log(await ask("/fetched"));
await ask("/fetched", { method: "HEAD" });

for (const way of ["length", "chunks", "end"]) {
  for (const cut of ["", "?cut"]) {
    const size = await fetch(`${endings}/${way}${cut}`)
      .then((answer) => answer.text())
      .then(({ length }) => length, () => "incomplete");
    console.log(way + cut, size);
  }
}
