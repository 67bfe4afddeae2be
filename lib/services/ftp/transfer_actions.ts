/**
 * The commands of an FTP server that need a data connection: each opens one, and
 * the end of what is sent on it is its end.
 *
 * @module
 */
import { withoutOptions } from "../../protocols/ftp.ts";
import {
  formatFacts,
  formatLine,
  isListable,
  type Listed,
} from "../../protocols/ftp_listing.ts";
import { encodeText, TextReceiver } from "../../protocols/ftp_text.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import type { StreamSocket } from "../../sockets/stream_socket.ts";
import { paceOf } from "../pace.ts";
import { chunksOf } from "../shelf.ts";
import { whenStopped } from "./data.ts";
import type { Actions, Answer, Session } from "./session.ts";

export const TRANSFER_ACTIONS: Actions = {
  LIST: { argument: "any", for: "users", run: listing(lines) },
  NLST: { argument: "any", for: "users", run: listing(names) },
  MLSD: { argument: "any", for: "users", run: listing(allFacts) },
  REST: { argument: "one", for: "users", run: restart },
  RETR: { argument: "one", for: "users", run: retrieve },
  STOR: { argument: "one", for: "writers", run: store },
  ABOR: {
    argument: "none",
    for: "users",
    run: () => [226, "Nothing is on its way"],
  },
  STAT: {
    argument: "none",
    for: "users",
    run: ({ user, type }) => [211, `You are ${user}, the type is ${type}`],
  },
};

/** Opens a data connection, lets `work` use it, and closes it: then comes the reply. */
async function transfer(
  session: Session,
  work: (data: StreamSocket) => Promise<Answer>,
): Promise<Answer> {
  const { control, data: port } = session;
  if (!port.opener) return NO_PORT;
  const [stop, end] = [new AbortController(), new AbortController()];
  const watching = control.watch(end.signal, {
    stop: () => stop.abort(),
    asked: () => control.say(211, "A file is on its way"),
  });
  try {
    await using data = await port.open(stop.signal);
    if (!data) return [425, "There is no data connection"];
    whenStopped(stop.signal, () => data.close());
    await control.say(150, `TYPE ${session.type}`);
    return await work(data);
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    if (stop.signal.aborted) return [426, "Stopped"];
    if (["open", "read", "save"].includes(error.call)) throw error;
    return [426, "The data connection has failed"];
  } finally {
    end.abort(new SocketError("EINTR", "recv"));
    await watching;
  }
}

function restart(session: Session, argument: string): Answer {
  if (!/^\d{1,15}$/.test(argument)) return [501, "REST needs a number"];
  if (session.type === "A") return [504, "Say TYPE I first"];
  session.next = { start: Number(argument) };
  return [350, `RETR begins at ${Number(argument)}`];
}

async function retrieve(session: Session, path: string): Promise<Answer> {
  const { start = 0 } = session.next;
  const file = await session.tree.open(session.nameOf(path));
  try {
    const { name, read } = file;
    const size = file.size - start;
    if (size < 0) return [554, "The file is shorter than REST says"];
    const rest = {
      ...file,
      read: (at: number, room: Uint8Array) => read(start + at, room),
    };
    const { opener } = session.data;
    return await transfer(session, async (data) => {
      let [taken, bytes] = [0, 0];
      for await (const chunk of chunksOf(rest, size)) {
        const piece = session.type === "A" ? encodeText(chunk) : chunk;
        await data.sendall(piece);
        taken += chunk.length;
        bytes += piece.length;
      }
      if (taken < size) return [451, "The file has become shorter"];
      await data.close();
      session.print(
        `RETR ${name}: ${bytes} bytes, the ${opener} has connected`,
      );
      return [226, "Sent"];
    });
  } finally {
    await file.close();
  }
}

async function store(session: Session, path: string): Promise<Answer> {
  if (session.next.start) return [504, "A file is sent whole"];
  const name = session.nameOf(path);
  using saving = await session.tree.save(name);
  const { opener } = session.data;
  return await transfer(session, async (data) => {
    const [room, expectPace] = [new Uint8Array(2 ** 18), paceOf(data)];
    const text = session.type === "A" ? new TextReceiver() : undefined;
    let [bytes, held] = [0, 0];
    const flush = (last = false) => {
      const piece = room.subarray(0, held);
      saving.write(text ? text.push(piece, last) : piece);
      held = 0;
    };
    // A call of the disk costs as much for a few bytes as for many.
    for (let count; (count = await data.recv_into(room.subarray(held))) > 0;) {
      expectPace(bytes += count);
      if (bytes > MOST) throw new SocketError("EFBIG", "save", name);
      if ((held += count) === room.length) flush();
    }
    flush(true);
    // A client that was killed ends both connections: its file may be cut.
    await new Promise((turn) => setTimeout(turn));
    if (session.control.ended) return [426, "Stopped"];
    saving.keep();
    session.print(`STOR ${name}: ${bytes} bytes, the ${opener} has connected`);
    return [226, "Received"];
  });
}

/** Makes the lines of a listing, without their ends. */
type Listing = (
  found: Listed[],
  session: Session,
  writable: boolean,
) => string[];

function listing(format: Listing) {
  return async (session: Session, argument: string): Promise<Answer> => {
    const options = format !== allFacts;
    const path = options ? withoutOptions(argument) : argument;
    const name = session.nameOf(path);
    const found = await session.tree.find(name);
    // A large folder is not read for a list that nobody receives.
    if (!session.data.opener) return NO_PORT;
    if (!found.folder && !options) return [501, "It is no folder"];
    const all = found.folder ? await session.tree.list(name) : [found];
    const listed = all.filter(({ name }) => isListable(name));
    const writable = await session.mayWrite(found.folder ? name : "");
    const text = format(listed, session, writable)
      .map((line) => `${line}\r\n`).join("");
    return await transfer(session, async (data) => {
      await data.sendall(text);
      await data.close();
      return [226, "Sent"];
    });
  };
}

function lines(found: Listed[], _: Session, writable: boolean): string[] {
  const now = Date.now();
  return found.map((each) => formatLine(each, { now, writable }));
}

function names(found: Listed[]): string[] {
  return found.map(({ name }) => name);
}

function allFacts(found: Listed[], { facts }: Session, writable: boolean) {
  return found.map((each) => formatFacts(each, { facts, writable }));
}

const NO_PORT: Answer = [425, "Say PASV or PORT first"];
/** The largest file of a client: it may never end. */
const MOST = 2 ** 30;
