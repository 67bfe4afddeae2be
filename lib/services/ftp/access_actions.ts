/**
 * The commands of an FTP server that need no file: who the client is, what the
 * server can do, and how data is sent.
 *
 * @module
 */
import {
  formatPort,
  FTP_LIMITS,
  type HostPort,
  parseExtendedPort,
  parsePort,
} from "../../protocols/ftp.ts";
import { FACTS, factsIn } from "../../protocols/ftp_listing.ts";
import { SocketError } from "../../sockets/socket_error.ts";
import {
  type Action,
  type Actions,
  type Answer,
  PASSWORD,
  type Session,
  WRITER,
} from "./session.ts";

export const ACCESS_ACTIONS: Actions = {
  USER: { argument: "one", for: "everybody", run: user },
  PASS: { argument: "any", for: "everybody", run: password },
  ACCT: always("any", 202, "An account is not needed"),
  QUIT: { argument: "none", for: "everybody", run: quit },
  NOOP: always("any", 200, "OK"),
  SYST: always("none", 215, "UNIX Type: L8"),
  FEAT: { argument: "none", for: "everybody", run: features },
  OPTS: { argument: "one", for: "everybody", run: option },
  TYPE: { argument: "one", for: "users", run: type },
  MODE: only("S", "MODE"),
  STRU: only("F", "STRU"),
  ALLO: always("one", 202, "Room is not reserved", "users"),
  PASV: { argument: "none", for: "users", run: passive },
  EPSV: { argument: "any", for: "users", run: extendedPassive },
  PORT: { argument: "one", for: "users", run: active },
  EPRT: { argument: "one", for: "users", run: extendedActive },
};

/** A command that has always the same answer. */
function always(
  argument: Action["argument"],
  code: number,
  text: string,
  who: Action["for"] = "everybody",
): Action {
  return { argument, for: who, run: () => [code, text] };
}

/** A command with one value that is known. */
function only(value: string, verb: string): Action {
  return {
    argument: "one",
    for: "users",
    run: (_, argument) =>
      argument.toUpperCase() === value
        ? [200, "OK"]
        : [504, `${verb} is ${value} here`],
  };
}

function user(session: Session, name: string): Answer {
  session.loggedIn = false;
  session.user = /^(anonymous|ftp)$/i.test(name) ? "anonymous" : name;
  return [331, "Send the password"];
}

function password(session: Session, word: string): Answer {
  if (session.user === "" || session.loggedIn) return [503, "Say USER first"];
  const anonymous = session.user === "anonymous";
  if (anonymous || (session.user === WRITER && word === PASSWORD)) {
    session.loggedIn = true;
    return [230, `Welcome, ${session.user}`];
  }
  session.user = "";
  session.wrongPasswords++;
  if (session.wrongPasswords < FTP_LIMITS.passwords) {
    return [530, `The password of ${WRITER} is another one`];
  }
  session.closing = true;
  return [421, "Too many wrong passwords"];
}

function quit(session: Session): Answer {
  session.closing = true;
  return [221, "Bye"];
}

function features({ facts }: Session): Answer {
  const all = FACTS.map((fact) => `${fact}${facts.includes(fact) ? "*" : ""};`);
  const mlst = `MLST ${all.join("")}`;
  const names = ["EPRT", "EPSV", "MDTM", mlst, "REST STREAM", "SIZE", "UTF8"];
  return [211, "Features", ...names.map((name) => ` ${name}`), "End"];
}

function option(session: Session, argument: string): Answer {
  if (/^UTF-?8( ON)?$/i.test(argument)) return [200, "Names are UTF-8"];
  const [name, list = ""] = argument.match(/^MLST(?: (.*))?$/i) ?? [];
  if (!name) return [501, "The option is unknown"];
  session.facts = factsIn(list);
  const facts = session.facts.map((fact) => `${fact};`).join("");
  return [200, `MLST OPTS ${facts}`.trimEnd()];
}

function type(session: Session, argument: string): Answer {
  const [code] = argument.toUpperCase();
  if (!/^(A( N)?|I|L ?8)$/i.test(argument)) return [504, "TYPE is A or I here"];
  session.type = code === "A" ? "A" : "I";
  return [200, `The type is ${session.type}`];
}

async function passive(session: Session): Promise<Answer> {
  if (session.control.client.family !== "AF_INET") {
    return [522, "PASV is for IPv4: say EPSV"];
  }
  return await listen(session, (address) => [
    ...[227, `Entering Passive Mode (${formatPort(address)})`] as const,
  ]);
}

async function extendedPassive(session: Session, argument: string) {
  if (!/^[12]?$/.test(argument)) return [504, "EPSV, or EPSV 1"] as const;
  if (argument !== "" && argument !== protocolOf(session)) {
    return [522, `Use (${protocolOf(session)})`] as const;
  }
  return await listen(session, ([, port]) => [
    ...[229, `Entering Extended Passive Mode (|||${port}|)`] as const,
  ]);
}

async function listen(
  session: Session,
  answer: (address: HostPort) => Answer,
): Promise<Answer> {
  try {
    return answer(await session.data.listen());
  } catch (error) {
    if (!(error instanceof SocketError)) throw error;
    return [425, "No port is free"];
  }
}

async function active(session: Session, argument: string): Promise<Answer> {
  const address = parsePort(argument);
  if (!address) return [501, "PORT h1,h2,h3,h4,p1,p2"];
  return await aim(session, address);
}

async function extendedActive(session: Session, argument: string) {
  const wanted = parseExtendedPort(argument);
  if (!wanted) return [501, "EPRT |1|host|port|"] as const;
  if (String(wanted.protocol) !== protocolOf(session)) {
    return [522, `Use (${protocolOf(session)})`] as const;
  }
  return await aim(session, wanted.address);
}

async function aim(session: Session, address: HostPort): Promise<Answer> {
  const refusal = await session.data.aim(address);
  return refusal ? [501, refusal] : [200, "OK"];
}

/** The family of the control connection, as RFC 2428 numbers it. */
function protocolOf({ control }: Session): string {
  return control.client.family === "AF_INET" ? "1" : "2";
}
