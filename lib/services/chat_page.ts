/**
 * The page that takes part in the chat: its own files only, without any other
 * server's.
 *
 * @module
 */
import { LINE_LIMIT, NAME, PROMPT } from "../protocols/chat.ts";
import type { HttpRequest } from "../protocols/http.ts";
import { SCRIPT, STYLE } from "./chat_page_files.ts";
import { type Answer, textAnswer } from "./http_answer.ts";
import type { Site } from "./websocket_server.ts";

/** The page, and where its WebSocket is. */
export function chatSite(path: string, print: Site["print"]): Site {
  return { path, page: answerPage, limit: LINE_LIMIT, print };
}

/** The answer to a request for the page or one of its files: GET, HEAD. */
function answerPage({ method, path, fields }: HttpRequest): Answer {
  const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (!file) return textAnswer(404, "no such page");
  if (method !== "GET" && method !== "HEAD") {
    return textAnswer(405, "GET or HEAD", { Allow: "GET, HEAD" });
  }
  const [type, text] = file;
  const host = fields.get("host") ?? "";
  const socket = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host}` : "";
  return {
    status: 200,
    fields: {
      "Content-Type": `text/${type}; charset=utf-8`,
      "Content-Security-Policy": `${POLICY}; connect-src 'self'${socket}`,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Cache-Control": "no-cache",
    },
    body: encoder.encode(text),
  };
}

/** What a browser may load and do for the page; older ones need the ws: address. */
const POLICY = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:",
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join("; ");

const PAGE = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<title>Chat - Socket Lab</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%231d5c88' d='M1 2h14v9H8l-4 4v-4H1z'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/chat.css">
<script type="module" src="/chat.js"></script>
<body>
<header>
  <h1>Chat</h1>
  <p id="status" role="status">Not in the room.</p>
  <button type="button" id="leave" hidden>Leave</button>
</header>
<main>
  <div id="log" role="log" aria-label="What is said" tabindex="0">
    <div class="note"><p>Join with a name. Others can join from another window, or
    from a terminal: <code>websocket_chat.ts client</code></p></div>
  </div>
  <form id="enter">
    <label for="name">Your name</label>
    <div class="row">
      <input id="name" required maxlength="16" pattern="${
  NAME.pattern.source.slice(1, -1).replace("_-", "_\\-")
}" title="${NAME.takes}" autocomplete="nickname" autocapitalize="off" spellcheck="false" aria-describedby="takes" autofocus>
      <button>Join</button>
    </div>
    <p id="takes">${NAME.takes}</p>
    <p id="problem" role="alert"></p>
  </form>
  <form id="speak" hidden>
    <label for="text">Your message</label>
    <div class="row">
      <input id="text" maxlength="${LINE_LIMIT}" autocomplete="off" enterkeyhint="send">
      <button>Send</button>
    </div>
  </form>
</main>
<noscript>This page needs JavaScript: a WebSocket has no other way in.</noscript>
</body>
</html>
`;

const PROGRAM = SCRIPT.replace("PROMPT", PROMPT)
  .replaceAll("LINE_LIMIT", String(LINE_LIMIT));
const FILES: Record<string, [type: string, text: string]> = {
  "/": ["html", PAGE],
  "/chat.css": ["css", STYLE],
  "/chat.js": ["javascript", PROGRAM],
};
const encoder = new TextEncoder();
