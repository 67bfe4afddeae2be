/**
 * The server's end of an FTP session: it obeys one command after the other, and
 * closes so that the last reply arrives. A client is refused what it may not do,
 * and is not kept when it does nothing right.
 *
 * @module
 */
import { FTP_LIMITS, parseCommand } from "../../protocols/ftp.ts";
import { meaningOf, SocketError } from "../../sockets/socket_error.ts";
import type { StreamSocket } from "../../sockets/stream_socket.ts";
import { ACCESS_ACTIONS } from "./access_actions.ts";
import { Control } from "./control.ts";
import { DataPort, type Opening } from "./data.ts";
import { FILE_ACTIONS } from "./file_actions.ts";
import { type Actions, type Answer, Session, WRITER } from "./session.ts";
import { TRANSFER_ACTIONS } from "./transfer_actions.ts";
import type { FileTree } from "./tree.ts";

/** What a session does outside of its control connection. */
interface Outside extends Opening {
  /** Prints a line for each file that was sent or received. */
  print(line: string): void;
}

/**
 * Answers a client until it says QUIT or ends its connection. Its data goes through
 * sockets that `outside` opens. ETIMEDOUT for a client that is silent or drips.
 */
export async function answerCommands(
  client: StreamSocket,
  tree: FileTree,
  outside: Outside,
): Promise<void> {
  const control = new Control(client);
  const data = new DataPort(control, outside);
  const { print } = outside;
  const session = new Session({ control, tree, data, print });
  try {
    await control.say(220, "lab.test FTP Socket Lab");
    let [errors, asked] = [0, 0];
    for (let line; (line = await control.next()) !== undefined;) {
      const answer = await obey(session, line);
      if (control.ended && answer[0] === 426) return;
      await control.say(...answer);
      errors = FAULTS.includes(answer[0]) ? errors + 1 : 0;
      if (session.loggedIn) asked = 0;
      const tooMany = errors > FTP_LIMITS.errors ||
        ++asked > FTP_LIMITS.strangers;
      if (tooMany) await control.say(421, "Too many errors");
      if (tooMany || session.closing) return await control.finish();
    }
    if (!control.tooLong) return;
    await control.say(500, "The line is too long");
    await control.finish();
  } finally {
    await data.close();
  }
}

/** Does what a line says. */
async function obey(session: Session, line: string): Promise<Answer> {
  const command = parseCommand(line);
  if (!command) return [500, "This is no command"];
  const { verb, argument } = command;
  if (WEB.includes(verb)) {
    // A web page can make a browser send commands behind such a line.
    session.closing = true;
    return [500, "This is FTP, not HTTP"];
  }
  const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
  if (!action) return [KNOWN.includes(verb) ? 502 : 500, "There is no " + verb];
  if (action.for !== "everybody" && !session.loggedIn) {
    return [530, "Say USER first"];
  }
  if (action.for === "writers" && session.user !== WRITER) {
    return [550, `Only ${WRITER} may write`];
  }
  const given = argument !== "";
  if (action.argument === (given ? "none" : "one")) {
    return [501, `${verb} ${given ? "has no" : "needs an"} argument`];
  }
  try {
    return await action.run(session, argument);
  } catch (error) {
    return refusal(error);
  } finally {
    if (!LASTING.includes(verb)) session.next = {};
  }
}

/** What a client is told of a file that it does not get. */
function refusal(error: unknown): Answer {
  if (!(error instanceof SocketError)) throw error;
  const { code, call } = error;
  const known = ["open", "save", "read", "list"].includes(call);
  if (!known) throw error; // of the control connection
  const words = meaningOf(code);
  const text = words[0].toUpperCase() + words.slice(1);
  if (["ENOSPC", "EFBIG", "EDQUOT"].includes(code)) return [552, text];
  if (["EMFILE", "ENFILE"].includes(code)) return [450, text];
  return [550, text];
}

const ACTIONS: Actions = {
  ...ACCESS_ACTIONS,
  ...FILE_ACTIONS,
  ...TRANSFER_ACTIONS,
  HELP: {
    argument: "any",
    for: "everybody",
    run: () => [214, "Commands", ` ${Object.keys(ACTIONS).join(" ")}`, "End"],
  },
};
/** Commands of RFC 959 that are not here. */
const KNOWN = ["APPE", "REIN", "SITE", "SMNT", "STOU"];
/** The methods of HTTP that look like commands. */
const WEB = ["GET", "HEAD", "POST", "PUT"];
/** Between REST and RETR. */
const LASTING = ["REST", "RNFR", "PASV", "EPSV", "PORT", "EPRT"];
/** The codes of what a client does wrong. */
const FAULTS = [500, 501, 502, 503, 504, 530];
