/**
 * Quiz on socket programming: ten questions, each answer proved by a short run;
 * eight answers of the original lab's key are right.
 *
 * Aim: To answer ten questions on sockets, and to prove each answer by a run.
 *
 *     deno run --allow-net scripts/quiz.ts --answers b,b,c,d,c,a,c,c,b,c
 *     bun scripts/quiz.ts --answers b,b,c,d,c,a,c,c,b,c
 *     node scripts/quiz.ts --answers b,b,c,d,c,a,c,c,b,c
 *
 * These answers are the original key. Without `--answers` it asks for yours.
 *
 * Output, where `...` stands for what is left out:
 *
 *      1. What does socket() do?
 *     ...
 *      3. What does listen() do for a server?
 *     ...
 *         Your answer: c. Right.
 *     ...
 *           connect() before listen() fails: ECONNREFUSED
 *           connect() after it succeeds
 *     ...
 *      8. In which order does a TCP server make its calls?
 *     ...
 *         Your answer: c. Wrong: it is e.
 *     ...
 *           a) socket, bind, connect, listen fails: EINVAL
 *           b) socket, connect, bind fails: EINVAL
 *           c) socket, bind, listen, accept, connect fails: EISCONN
 *           d) socket, bind, listen, connect fails: EISCONN
 *     ...
 *     Score: 8 of 10
 */
import {
  END_KEY,
  guide,
  type GuidedScript,
  type Session,
} from "../lib/experiment/guide.ts";
import {
  type Address,
  AF_INET,
  decode,
  formatAddress,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../lib/mod.ts";

interface Question {
  text: string;
  /** Lettered from a. */
  choices: string[];
  answer: string;
  /** The answer of the original key, if that is wrong. */
  key?: string;
  why: string;
  prove(show: Show): Promise<void>;
}

/** Shows a call with its result, or with the outcome of a function; or a line. */
type Show = (call: string, result?: Result) => Promise<void>;
type Result = Address | Uint8Array | number | (() => unknown);

const QUESTIONS: Question[] = [
  {
    text: "What does socket() do?",
    choices: [
      "It closes a socket",
      "It creates a socket",
      "It gives a socket an address",
      "It waits for clients",
    ],
    answer: "b",
    why: `It does nothing else: the new socket has no address, is not
      connected, and does not listen.`,
    async prove(show) {
      await using created = socket(AF_INET, SOCK_STREAM);
      await show("getsockname()", created.getsockname());
      await show("recv()", () => created.recv(1024));
      await show("accept()", () => created.accept());
    },
  },
  {
    text: "Which call gives a socket its host and port?",
    choices: ["connect()", "bind()", "listen()", "accept()"],
    answer: "b",
    why: `A server binds, so that clients know its address; with port 0 the
      system chooses a free port. Two servers cannot have one address: bind()
      of the second one fails.`,
    async prove(show) {
      await using server = socket(AF_INET, SOCK_STREAM);
      await show("getsockname()", server.getsockname());
      await server.bind(["127.0.0.1", 0]);
      const address = server.getsockname();
      await show("getsockname() after bind() with port 0", address);
      await server.listen(5);
      await using second = socket(AF_INET, SOCK_STREAM);
      await show("bind() of a second server", () => second.bind(address));
    },
  },
  {
    text: "What does listen() do for a server?",
    choices: [
      "It sends data to a client",
      "It receives data from a client",
      "It lets clients connect, and queues them",
      "It connects to a client",
    ],
    answer: "c",
    why:
      `Before listen() the kernel refuses clients, though bind() has given the
      address; after it, the kernel answers them, and they wait for accept().
      listen() itself does not wait.`,
    async prove(show) {
      await using server = socket(AF_INET, SOCK_STREAM);
      await server.bind(["127.0.0.1", 0]);
      const address = server.getsockname();
      await using early = socket(AF_INET, SOCK_STREAM);
      await show("connect() before listen()", () => early.connect(address));
      await server.listen(5);
      await using client = socket(AF_INET, SOCK_STREAM);
      await show("connect() after it", () => client.connect(address));
    },
  },
  {
    text: "Which call takes a client from the server's queue?",
    choices: ["connect()", "bind()", "listen()", "accept()"],
    answer: "d",
    why: `It returns a new socket for that client, and the client's address.
      The listening socket itself carries no data.`,
    async prove(show) {
      await using ends = await connected();
      const { listener, server, peer, client } = ends;
      await show("client: getsockname()", client.getsockname());
      await show("accept(): the address", peer);
      await client.sendall("Hello");
      await show("accept(): the socket: recv()", await server.recv(9));
      await show("the listening socket: recv()", () => listener.recv(9));
    },
  },
  {
    text: "What does connect() do?",
    choices: [
      "It waits for clients",
      "It accepts a client",
      "It opens a connection to a server",
      "It sends data to a server",
    ],
    answer: "c",
    why: `The client names the server's address; the system gives the client
      an address, too. If nobody listens, the connection is refused.`,
    async prove(show) {
      await using ends = await connected();
      await show("getpeername()", ends.client.getpeername());
      await show("getsockname()", ends.client.getsockname());
      const nobody = await freeAddress();
      await using client = socket(AF_INET, SOCK_STREAM);
      await show("connect() to nobody", () => client.connect(nobody));
    },
  },
  {
    text: "How do close() and shutdown() differ?",
    choices: [
      "close() ends both directions, shutdown() can end one of them",
      "close() is for TCP only, shutdown() for TCP and UDP",
      "close() is a call of Python, shutdown() one of C",
      "Not at all: they do the same",
    ],
    answer: "a",
    why: `The server sees the end of the stream both times. After shutdown()
      the client can still receive the answer: the connection is half closed.`,
    async prove(show) {
      await using half = await connected();
      await half.client.shutdown(SHUT_WR);
      await show("shutdown(); server: recv()", await half.server.recv(1024));
      await half.server.sendall("Goodbye");
      await show("client: recv()", await half.client.recv(1024));
      await using whole = await connected();
      await whole.client.close();
      await show("close(); server: recv()", await whole.server.recv(1024));
      await show("client: recv()", () => whole.client.recv(1024));
    },
  },
  {
    text: "Which of these is not a kind of socket?",
    choices: ["TCP", "UDP", "SMTP", "HTTP", "Two of them: SMTP and HTTP"],
    answer: "e",
    key: "c",
    why: `There are stream sockets, for TCP, and datagram sockets, for UDP.
      SMTP (RFC 5321) and HTTP (RFC 9112) are protocols that programs use over
      a stream socket: if c is right, so is d.`,
    async prove(show) {
      for (const type of [SOCK_STREAM, SOCK_DGRAM, "SOCK_SMTP", "SOCK_HTTP"]) {
        await show(`socket(AF_INET, ${type})`, async () => {
          await using _created = socket(AF_INET, type as typeof SOCK_STREAM);
        });
      }
      for (const line of ["HELO client.example\r\n", "GET / HTTP/1.1\r\n"]) {
        await using ends = await connected();
        await ends.client.sendall(line);
        await show("SOCK_STREAM: recv()", await ends.server.recv(1024));
      }
    },
  },
  {
    text: "In which order does a TCP server make its calls?",
    choices: [
      "socket(), bind(), connect(), listen(), accept()",
      "socket(), connect(), bind(), listen(), accept()",
      "socket(), bind(), listen(), accept(), connect()",
      "socket(), bind(), listen(), connect(), accept()",
      "None of these: a server does not call connect()",
    ],
    answer: "e",
    key: "c",
    why: `connect() is a call of the client, and in each of the four orders a
      call fails. A server calls socket(), bind(), listen(), accept().`,
    async prove(show) {
      for (const [i, choice] of this.choices.slice(0, 4).entries()) {
        await show(`${LETTERS[i]}) ${await inOrder(choice.match(/\w+/g)!)}`);
      }
      await show(await inOrder(["socket", "bind", "listen", "accept"]));
      await show(await inOrder(["socket", "bind", "accept"]));
    },
  },
  {
    text: "What is a socket?",
    choices: [
      "A protocol that carries data",
      "One endpoint of a communication over a network",
      "A way to encrypt data",
      "A kind of cable",
    ],
    answer: "b",
    why: `Each program has its own endpoint, with an address; the bytes that
      one sends, the other receives, in both directions.`,
    async prove(show) {
      await using ends = await connected();
      await show("client: getsockname()", ends.client.getsockname());
      await show("server: getpeername()", ends.server.getpeername());
      await ends.client.sendall("ping");
      await show("server: recv()", await ends.server.recv(1024));
      await ends.server.sendall("pong");
      await show("client: recv()", await ends.client.recv(1024));
    },
  },
  {
    text: "Which call returns the data that has arrived at a socket?",
    choices: ["send()", "connect()", "recv()", "listen()"],
    answer: "c",
    why: `It returns at most as many bytes as the program asks for, and keeps
      the rest for the next call; an empty result is the end of the stream.`,
    async prove(show) {
      await using ends = await connected();
      await show('client: send("Hello")', await ends.client.send("Hello"));
      await ends.client.shutdown(SHUT_WR);
      for (const size of [3, 1024, 1024]) {
        await show(`server: recv(${size})`, await ends.server.recv(size));
      }
    },
  },
];

const LETTERS = "abcde";

const USE =
  `On a terminal it asks for answers; ${END_KEY} ends it. Elsewhere it prints
the questions: answer with --answers, or see all answers proved with --prove.`;

const valid = QUESTIONS.map(({ choices }) =>
  `[a-${LETTERS[choices.length - 1]}]`
);

export const script: GuidedScript = {
  url: import.meta.url,
  help: `Asks ten questions, and proves each answer by a run.\n${USE}`,
  flags: {
    answers: {
      help: "your ten letters, such as a,b,c,d,a,b,c,d,a,b",
      takes: "ten letters, such as a,b,c,d,a,b,c,d,a,b",
      pattern: new RegExp(`^${valid.join(",")}$`, "i"),
    },
    name: {
      help: "whose answers they are",
      takes: "1 to 60 characters",
      pattern: /^\P{C}{1,60}$/u,
    },
  },
  switches: {
    prove: "show all answers and their proofs, without asking",
    json: "print one JSON object a question, and one with the score",
  },
  run: quiz,
};

async function quiz(session: Session) {
  const { flags, switches, interactive, print, paragraph, pick } = session;
  const answers = flags.answers?.toLowerCase().split(",");
  const proving = switches.includes("prove");
  if (switches.includes("json")) return await listAsJson(session, answers);
  if (flags.name) print(`Name: ${flags.name}`);
  const asking = interactive && !answers && !proving;
  let answered = 0;
  let right = 0;
  for (const [i, question] of QUESTIONS.entries()) {
    const { text, choices, answer, key, why } = question;
    if (asking && i > 0) print();
    print(`${String(i + 1).padStart(2)}. ${text}`);
    choices.forEach((choice, i) => paragraph(`    ${LETTERS[i]}) `, choice));
    const given = asking ? await pick(choices) : answers?.[i];
    if (given === null) break;
    if (given) {
      answered++;
      if (given === answer) right++;
      const verdict = given === answer ? "Right." : `Wrong: it is ${answer}.`;
      print(
        asking ? `    ${verdict}` : `    Your answer: ${given}. ${verdict}`,
      );
    } else if (proving) print(`    The answer: ${answer}`);
    if (!given && !proving) continue;
    if (key) print(`    The original key says ${key}, which is wrong:`);
    paragraph("    ", why);
    await question.prove(async (call, result) =>
      paragraph("      ", `${call} ${await describe(result)}`)
    );
  }
  if (answered > 0) print(`Score: ${right} of ${answered}`);
  else if (!asking && !proving) paragraph("", USE);
}

/** Prints one object a question; the answer only if one was given, or to prove. */
async function listAsJson(
  { flags: { name }, switches, print }: Session,
  answers?: string[],
) {
  let right = 0;
  for (const [i, question] of QUESTIONS.entries()) {
    const { text, choices, answer, key } = question;
    const asked = { name, question: i + 1, text, choices };
    if (!answers && !switches.includes("prove")) {
      print(JSON.stringify(asked));
      continue;
    }
    const proof: string[] = [];
    await question.prove(async (call, result) => {
      proof.push(`${call} ${await describe(result)}`.trimEnd());
    });
    const [given, why] = [answers?.[i], question.why.replace(/\s+/g, " ")];
    if (given === answer) right++;
    print(JSON.stringify({ ...asked, given, answer, key, why, proof }));
  }
  const score = { name, right, of: QUESTIONS.length };
  if (answers) print(JSON.stringify(score));
}

async function describe(result: Result | undefined): Promise<string> {
  if (result === undefined) return "";
  if (typeof result === "function") return await outcome(result);
  if (result instanceof Uint8Array) {
    return `= ${JSON.stringify(decode(result))}`;
  }
  return `= ${typeof result === "number" ? result : formatAddress(result)}`;
}

/** Whether a call succeeds, or the code of its error. */
async function outcome(call: () => unknown): Promise<string> {
  try {
    await call();
    return "succeeds";
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return `fails: ${error.code}`;
  }
}

async function listening(): Promise<StreamSocket> {
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(["127.0.0.1", 0]);
  await listener.listen(5);
  return listener;
}

/** An address at which nobody listens. */
async function freeAddress(): Promise<Address> {
  await using listener = await listening();
  return listener.getsockname();
}

/** Both ends of a connection, the listener, and the client's address. */
async function connected() {
  const listener = await listening();
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(listener.getsockname());
  const [server, peer] = await listener.accept();
  return {
    listener,
    client,
    server,
    peer,
    async [Symbol.asyncDispose]() {
      for (const end of [client, server, listener]) await end.close();
    },
  };
}

/** Makes the calls on one socket until one fails. */
async function inOrder(calls: string[]): Promise<string> {
  await using other = await listening();
  await using client = socket(AF_INET, SOCK_STREAM);
  await using tried = socket(AF_INET, SOCK_STREAM);
  const call: Record<string, () => Promise<unknown>> = {
    bind: () => tried.bind(["127.0.0.1", 0]),
    connect: () => tried.connect(other.getsockname()),
    listen: () => tried.listen(5),
    async accept() {
      const accepted = tried.accept();
      client.connect(tried.getsockname()).catch(() => {}); // if it listens
      await (await accepted)[0].close();
    },
  };
  const made = calls.slice(0, 1);
  for (const name of calls.slice(1)) {
    made.push(name);
    const result = await outcome(call[name]);
    if (result !== "succeeds") return `${made.join(", ")} ${result}`;
  }
  return `${made.join(", ")} succeeds`;
}

if (import.meta.main) await guide(script);
