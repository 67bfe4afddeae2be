/**
 * Requests as they are on the wire, and how a server of HTTP/1.1 must answer: RFC
 * 9110, RFC 9112, and the limits of lib/protocols/http.ts.
 */

export interface WireCase {
  readonly name: string;
  readonly say: string;
  /** The status codes of all answers, in order, but for 100. */
  readonly statuses: number[];
  /** Matches all that is answered, as latin1. */
  readonly hear?: RegExp;
  readonly not?: RegExp;
}

const H = "Host: a\r\n";
const get = (target: string, fields = H) =>
  `GET ${target} HTTP/1.1\r\n${fields}\r\n`;
const put = (name: string, fields: string, body: string) =>
  `PUT /${name} HTTP/1.1\r\n${H}${fields}\r\n${body}`;
const chunked = (body: string, name = "c") =>
  put(name, "Transfer-Encoding: chunked\r\n", body);
const bye = (text: string) => text.replace(H, `${H}Connection: close\r\n`);
const X = (length: number) => "x".repeat(length);
/** Some bytes of the next request, which a refusal must leave alone. */
const NEXT = get("/");

function one(status: number, cases: Record<string, string>): WireCase[] {
  return Object.entries(cases).map(([name, say]) => (
    // What follows a request that is refused must not be taken for another.
    { name, say: status < 400 ? say : say + NEXT, statuses: [status] }
  ));
}

const CLOSES = /\r\nConnection: close\r\n/;
const ALLOW = /\r\nAllow: GET, HEAD, PUT\r\n/;

const served: WireCase[] = [
  { name: "GET", say: get("/"), statuses: [200], hear: /<h1>/, not: CLOSES },
  {
    name: "Date, as IMF-fixdate",
    say: get("/"),
    statuses: [200],
    hear:
      /\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/,
  },
  {
    name: "HEAD has the fields of GET, and no body",
    say: `HEAD / HTTP/1.1\r\n${H}\r\n`,
    statuses: [200],
    hear: /^[^<]*\r\nContent-Length: 184\r\n\r\n$/,
  },
  {
    name: "HEAD of nothing has no body",
    say: `HEAD /nothing HTTP/1.1\r\n${H}\r\n`,
    statuses: [404],
    hear: /\r\n\r\n$/,
  },
  { name: "no such page", say: get("/nothing"), statuses: [404] },
  {
    name: "four on one connection",
    say: get("/").repeat(4),
    statuses: [200, 200, 200, 200],
  },
  {
    name: "answers to a pipeline, in its order",
    say: get("/") + get("/nothing") + put("p", "Content-Length: 2\r\n", "hi") +
      get("/p") + `DELETE / HTTP/1.1\r\n${H}\r\n`,
    statuses: [200, 404, 201, 200, 405],
    hear: /\r\n\r\nhiHTTP\/1\.1 405 /,
  },
  {
    name: "Connection: close ends it",
    say: bye(get("/")) + NEXT,
    statuses: [200],
    hear: CLOSES,
  },
  {
    name: "close among other options, in capitals",
    say: get("/", `${H}Connection: Upgrade, CLOSE , x\r\n`) + NEXT,
    statuses: [200],
    hear: CLOSES,
  },
  {
    name: "HTTP/1.0 ends it",
    say: "GET / HTTP/1.0\r\n\r\n" + NEXT,
    statuses: [200],
    hear: CLOSES,
  },
  {
    name: "HTTP/1.0 with keep-alive",
    say: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" + bye(get("/p0")),
    statuses: [200, 404],
    hear: /\r\nConnection: keep-alive\r\n[^]*\r\nConnection: close\r\n/,
  },
  {
    name: "HTTP/1.0 with another option",
    say: "GET / HTTP/1.0\r\nConnection: x\r\n\r\n" + NEXT,
    statuses: [200],
    hear: CLOSES,
  },
  {
    name: "a later minor version is 1.1",
    say: `GET / HTTP/1.7\r\n${H}\r\n`,
    statuses: [200],
  },
  {
    name: "an absolute target, whose host counts",
    say: get("http://b:80/nothing?x"),
    statuses: [404],
  },
  {
    name: "an absolute target without path",
    say: get("http://b"),
    statuses: [200],
  },
  { name: "an escaped target", say: get("/%69ndex%2Ehtml"), statuses: [200] },
  { name: "a name that looks escaped", say: get("/a%2520b"), statuses: [404] },
  { name: "a query", say: get("/index.html?a=../b&c=%zz"), statuses: [200] },
  {
    name: "an empty line before a request",
    say: `\r\n${get("/")}`,
    statuses: [200],
  },
  {
    name: "no space behind the colon",
    say: get("/", "Host:a\r\n"),
    statuses: [200],
  },
  {
    name: "spaces around a value",
    say: get("/", "Host: \t a \t\r\n"),
    statuses: [200],
  },
  { name: "an empty Host", say: get("/", "Host:\r\n"), statuses: [200] },
  {
    name: "a Host of IPv6",
    say: get("/", "Host: [::1]:8080\r\n"),
    statuses: [200],
  },
  {
    name: "a value that is not ASCII",
    say: get("/", `${H}X: \xe9\xff\r\n`),
    statuses: [200],
  },
  {
    name: "PUT with a length, and the page again",
    say: put("n1", "Content-Length: 5\r\n", "hello") + get("/n1"),
    statuses: [201, 200],
    hear: /\r\nLocation: \/n1\r\n[^]*\r\n\r\nhello$/,
  },
  {
    name: "PUT again replaces it",
    say: put("n2", "Content-Length: 3\r\n", "one") +
      put("n2", "Content-Length: 0\r\n", "") + get("/n2"),
    statuses: [201, 204, 200],
    hear: /\r\nContent-Length: 0\r\n/,
  },
  {
    name: "204 has no length",
    say: put("n3", "", "") + put("n3", "", ""),
    statuses: [201, 204],
    not: /204[^]*Content-Length/,
  },
  {
    name: "PUT in chunks",
    say: chunked('3\r\nabc\r\n00A;x="y"\r\n0123456789\r\n0\r\n\r\n', "n4") +
      get("/n4"),
    statuses: [201, 200],
    hear: /\r\n\r\nabc0123456789$/,
  },
  {
    name: "chunks with a trailer, which changes nothing",
    say: chunked("1\r\n\n\r\n0\r\nHost: b\r\nContent-Length: 9\r\n\r\n", "n5") +
      get("/n5"),
    statuses: [201, 200],
    hear: /\r\n\r\n\n$/,
  },
  {
    name: "chunked in capitals",
    say: put("n6", "Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n") + NEXT,
    statuses: [201, 200],
  },
  {
    name: "100-continue",
    say: put("n7", "Expect: 100-Continue\r\nContent-Length: 2\r\n", "ok"),
    statuses: [201],
  },
  {
    name: "100-continue of HTTP/1.0 is ignored",
    say:
      "PUT /n8 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    statuses: [201],
  },
  {
    name: "what was uploaded is text, in a sandbox",
    say: put("n9.html", "Content-Length: 8\r\n", "<script>") +
      get("/n9.html?x"),
    statuses: [201, 200],
    hear:
      /\r\nContent-Type: text\/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox;/,
  },
  {
    name: "also with a query behind its name",
    say: put("n10.html?y", "Content-Length: 8\r\n", "<script>") +
      get("/n10.html"),
    statuses: [201, 200],
    hear: /\r\nContent-Type: text\/plain; charset=utf-8\r\n/,
    not: /text\/html/,
  },
  {
    name: "also with another ending of HTML",
    say: put("index.htm", "Content-Length: 8\r\n", "<script>") +
      get("/index.htm"),
    statuses: [201, 200],
    not: /text\/html/,
  },
  {
    name: "a name that is none",
    say: put("a/b", "", "") + put(".a", "", "") + put("", "", "") +
      put("a%20b", "", ""),
    statuses: [403, 403, 403, 403],
  },
  {
    name: "a part of a page",
    say: put(
      "n11",
      "Content-Range: bytes 0-1/4\r\nContent-Length: 2\r\n",
      "ab",
    ),
    statuses: [400],
  },
  {
    name: "a page that is compressed",
    say: put("n12", "Content-Encoding: gzip\r\n", "") + get("/n12"),
    statuses: [415, 404],
  },
  {
    name: "POST is not allowed",
    say: `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhi` + NEXT,
    statuses: [405, 200],
    hear: ALLOW,
  },
  {
    name: "OPTIONS *",
    say: `OPTIONS * HTTP/1.1\r\n${H}\r\n`,
    statuses: [405],
    hear: ALLOW,
  },
  {
    name: "CONNECT",
    say: `CONNECT a:80 HTTP/1.1\r\n${H}\r\n`,
    statuses: [405],
  },
  {
    name: "an unknown method",
    say: `BREW / HTTP/1.1\r\n${H}\r\n`,
    statuses: [501],
  },
  {
    name: "methods have one case",
    say: `get / HTTP/1.1\r\n${H}\r\n`,
    statuses: [501],
  },
  {
    name: "as many fields as there may be",
    say: get("/", H + "a: b\r\n".repeat(99)),
    statuses: [200],
  },
  {
    name: "a start line as long as it may be",
    say: get(`/${X(8192 - "GET / HTTP/1.1".length)}`),
    statuses: [404],
  },
  {
    name: "a head as long as it may be",
    say: get("/", `${H}a: ${X(16_384 - 16 - 9 - 5 - 2)}\r\n`),
    statuses: [200],
  },
];

const refused: WireCase[] = [
  ...one(400, {
    "a bare LF behind the start line": `GET / HTTP/1.1\n${H}\r\n`,
    "a bare LF behind a field": "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "a bare LF as the empty line": `GET / HTTP/1.1\r\n${H}\n`,
    "a bare CR in the start line": `GET /\rx HTTP/1.1\r\n${H}\r\n`,
    "a bare CR in a field": get("/", `${H}a: b\rc: d\r\n`),
    "two CR": `GET / HTTP/1.1\r\r\n${H}\r\n`,
    "NUL in the start line": get("/\0"),
    "NUL in a field": get("/", `${H}a: b\0c\r\n`),
    "a control character in a field": get("/", `${H}a: b\x01\r\n`),
    "DEL in a field": get("/", `${H}a: \x7f\r\n`),
    "obs-fold": get("/", `${H}a: b\r\n c\r\n`),
    "obs-fold with a tab": get("/", `${H}a: b\r\n\tc\r\n`),
    "a space before the first field": get("/", ` ${H}`),
    "a space before a colon": get("/", "Host : a\r\n"),
    "a tab before a colon": get("/", `${H}Content-Length\t: 5\r\n`),
    "no name before a colon": get("/", `${H}: b\r\n`),
    "no colon": get("/", `${H}abc\r\n`),
    "a space in a name": get("/", `${H}a b: c\r\n`),
    "a name that is not ASCII": get("/", `${H}\xe9: c\r\n`),
    "no Host": get("/", ""),
    "two Hosts": get("/", H + H),
    "two Hosts, one of them in capitals": get("/", `${H}HOST: b\r\n`),
    "two empty Hosts": get("/", "Host:\r\nHost:\r\n"),
    "two Hosts in HTTP/1.0": `GET / HTTP/1.0\r\n${H}${H}\r\n`,
    "a Host with a path": get("/", "Host: a/b\r\n"),
    "a Host with a user": get("/", "Host: a@b\r\n"),
    "two Hosts in one field": get("/", "Host: a, b\r\n"),
    "two lengths that differ": put(
      "r",
      "Content-Length: 1\r\nContent-Length: 2\r\n",
      "ab",
    ),
    "two lengths that are equal": put(
      "r",
      "Content-Length: 2\r\nContent-Length: 2\r\n",
      "ab",
    ),
    "two lengths in one field": put("r", "Content-Length: 2, 2\r\n", "ab"),
    "an empty length": put("r", "Content-Length:\r\n", ""),
    "a length with a sign": put("r", "Content-Length: +2\r\n", "ab"),
    "a negative length": put("r", "Content-Length: -2\r\n", "ab"),
    "a hexadecimal length": put("r", "Content-Length: 0x2\r\n", "ab"),
    "a length with a space": put("r", "Content-Length: 2 2\r\n", "ab"),
    "a length and chunked": put(
      "r",
      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
      "0\r\n\r\n",
    ),
    "chunked and a length": put(
      "r",
      "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
      "0\r\n\r\n",
    ),
    "chunked twice": put(
      "r",
      "Transfer-Encoding: chunked, chunked\r\n",
      "0\r\n\r\n",
    ),
    "chunked in two fields": put(
      "r",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "0\r\n\r\n",
    ),
    "chunked, then another": put(
      "r",
      "Transfer-Encoding: chunked, gzip\r\n",
      "0\r\n\r\n",
    ),
    "an empty coding": put("r", "Transfer-Encoding:\r\n", ""),
    "chunked behind a vertical tab": put(
      "r",
      "Transfer-Encoding: \x0bchunked\r\n",
      "0\r\n\r\n",
    ),
    "chunked in HTTP/1.0":
      "PUT /r HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": chunked("\r\nabc\r\n0\r\n\r\n"),
    "a size that is no number": chunked("xyz\r\nabc\r\n0\r\n\r\n"),
    "a size with 0x": chunked("0x3\r\nabc\r\n0\r\n\r\n"),
    "a size with a sign": chunked("-3\r\nabc\r\n0\r\n\r\n"),
    "a size with a space behind it": chunked("3 \r\nabc\r\n0\r\n\r\n"),
    "a size with a space before it": chunked(" 3\r\nabc\r\n0\r\n\r\n"),
    "a size of 17 digits": chunked(`${"0".repeat(16)}3\r\nabc\r\n0\r\n\r\n`),
    "a chunk that is longer": chunked("3\r\nabcd\r\n0\r\n\r\n"),
    "a chunk that is shorter": chunked("5\r\nabc\r\n0\r\n\r\n"),
    "a bare LF behind a size": chunked("3\nabc\r\n0\r\n\r\n"),
    "a bare LF behind a chunk": chunked("3\r\nabc\n0\r\n\r\n"),
    "a bare LF behind the last chunk": chunked("3\r\nabc\r\n0\n\r\n"),
    "a bare LF behind data that ends with CR": chunked(
      "3\r\nab\r\n0\r\n\r\n",
    ),
    "a control character in an extension": chunked("3;\0\r\nabc\r\n0\r\n\r\n"),
    "a long extension": chunked(`3;${X(300)}\r\nabc\r\n0\r\n\r\n`),
    "extensions that are long together": chunked(
      `${`1;${X(250)}\r\na\r\n`.repeat(80)}0\r\n\r\n`,
    ),
    "a trailer that is no field": chunked("0\r\nabc\r\n\r\n"),
    "no version": `GET /\r\n${H}\r\n`,
    "no target": `GET HTTP/1.1\r\n${H}\r\n`,
    "two spaces": `GET  / HTTP/1.1\r\n${H}\r\n`,
    "a space behind the version": `GET / HTTP/1.1 \r\n${H}\r\n`,
    "a tab for a space": `GET\t/ HTTP/1.1\r\n${H}\r\n`,
    "two empty lines before a request": `\r\n\r\n${get("/")}`,
    "a space before the method": ` GET / HTTP/1.1\r\n${H}\r\n`,
    "a space in the target": get("/a b"),
    "a version in small letters": `GET / http/1.1\r\n${H}\r\n`,
    "a version of two digits": `GET / HTTP/1.10\r\n${H}\r\n`,
    "a target without a slash": get("index.html"),
    "a target with a fragment": get("/#a"),
    "a target that is not ASCII": get("/\xe9"),
    "* with GET": get("*"),
    "host:port with GET": get("a:80"),
    "CONNECT to a path": `CONNECT / HTTP/1.1\r\n${H}\r\n`,
    "another scheme": get("ftp://a/b"),
    "a user in a target": get("http://u@a/b"),
    "a malformed escape": get("/%zz"),
    "half an escape": get("/a%2"),
    "an escape that is not UTF-8": get("/%c0%ae%c0%ae/a"),
    "an escaped NUL": get("/a%00.html"),
    "an escaped CR LF": get("/a%0d%0aX"),
    "..": get("/../a"),
    ".. at the end": get("/a/.."),
    ".. escaped": get("/%2e%2E/a"),
    ".. half escaped": get("/.%2e/a"),
    ".. and an escaped slash": get("/..%2fa"),
    ".. and a backslash": get("/..\\a"),
    ".. and an escaped backslash": get("/a%5c..%5cb"),
    ".. escaped twice": get("/%252e%252e/a"),
    ".. escaped twice, behind a percent sign": get("/%25/%252e%252e/a"),
    ".. of wide dots, escaped twice": get("/%25ef%25bc%258e."),
    "an escape that is escaped again and again": get(`/%${"25".repeat(9)}41`),
    ".. with a parameter": get("/..;a/b"),
    ".. with a space": get("/..%20/b"),
    ".. behind a space": get("/%20../b"),
    ".. with a third dot": get("/.../b"),
    ".. of wide dots": get("/%ef%bc%8e%ef%bc%8e/a"),
    ".. as one character": get("/%e2%80%a5/a"),
    ".. in an absolute target": get("http://a/../b"),
    ".. in PUT": put("..%2fa", "Content-Length: 2\r\n", "ab"),
    "a long start line that has no target": X(9000),
  }),
  ...one(413, {
    "a length of more than 1 MiB": put(
      "r",
      "Content-Length: 1048577\r\n",
      "ab",
    ),
    "an immense length": put(
      "r",
      `Content-Length: ${"9".repeat(30)}\r\n`,
      "ab",
    ),
    "a chunk of more than 1 MiB": chunked("100001\r\nabc"),
    "an immense chunk": chunked("ffffffffffffffff\r\nabc"),
    "413, and not 100": put(
      "r",
      "Expect: 100-continue\r\nContent-Length: 1048577\r\n",
      "",
    ),
  }),
  ...one(414, {
    "a target of more than 8 KiB": get(`/${X(8192 - 13)}`),
    "a target that does not end": `GET /${X(9000)}`,
  }),
  ...one(417, { "another expectation": get("/", `${H}Expect: x\r\n`) }),
  ...one(431, {
    "a field too many": get("/", H + "a: b\r\n".repeat(100)),
    "a head of more than 16 KiB": get("/", `${H}a: ${X(16_384)}\r\n`),
    "a head one byte too long": get(
      "/",
      `${H}a: ${X(16_384 - 16 - 9 - 5 - 1)}\r\n`,
    ),
    "fields that are long together": get(
      "/",
      H + `a: ${X(1000)}\r\n`.repeat(17),
    ),
    "a trailer that does not end": chunked(`0\r\n${"a: b\r\n".repeat(3000)}`),
  }),
  ...one(501, {
    "another transfer coding": put("r", "Transfer-Encoding: gzip\r\n", ""),
    "a coding before chunked": put(
      "r",
      "Transfer-Encoding: gzip, chunked\r\n",
      "0\r\n\r\n",
    ),
    "identity": put("r", "Transfer-Encoding: identity\r\n", ""),
    "a coding like chunked": put(
      "r",
      "Transfer-Encoding: xchunked\r\n",
      "0\r\n\r\n",
    ),
  }),
  ...one(505, {
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": `GET / HTTP/0.9\r\n${H}\r\n`,
  }),
  // The stream ends within a request: nothing follows.
  ...Object.entries({
    "cut off in the start line": "GET / HT",
    "cut off in the fields": `GET / HTTP/1.1\r\n${H}`,
    "cut off in a body": put("r", "Content-Length: 5\r\n", "ab"),
    "cut off in a chunk": chunked("5\r\nab"),
    "cut off before the last chunk": chunked("2\r\nab\r\n"),
    "cut off in the trailer": chunked("0\r\na: b\r\n"),
  }).map(([name, say]) => ({ name, say, statuses: [400] })),
];

export const WIRE_CASES: readonly WireCase[] = [...served, ...refused];
