/**
 * The commands of an FTP server that look at its files and change them, without a
 * data connection.
 *
 * @module
 */
import { quotePath } from "../../protocols/ftp.ts";
import { formatFacts, formatTime } from "../../protocols/ftp_listing.ts";
import type { Action, Actions, Answer, Session } from "./session.ts";
import { split } from "./tree.ts";

const WORKING_FOLDER: Action = {
  argument: "none",
  for: "users",
  run: ({ folder }) => [257, `${quotePath(folder)} is the folder`],
};
const CHANGE_FOLDER: Action = {
  argument: "one",
  for: "users",
  run: changeFolder,
};
const FOLDER_ABOVE: Action = {
  argument: "none",
  for: "users",
  run: (session) => changeFolder(session, ".."),
};
const MAKE_FOLDER: Action = {
  argument: "one",
  for: "writers",
  run: makeFolder,
};
const REMOVE_FOLDER: Action = {
  argument: "one",
  for: "writers",
  async run(session, path) {
    await session.tree.removeFolder(session.nameOf(path));
    return [250, "Removed"];
  },
};

export const FILE_ACTIONS: Actions = {
  PWD: WORKING_FOLDER,
  XPWD: WORKING_FOLDER,
  CWD: CHANGE_FOLDER,
  XCWD: CHANGE_FOLDER,
  CDUP: FOLDER_ABOVE,
  XCUP: FOLDER_ABOVE,
  MKD: MAKE_FOLDER,
  XMKD: MAKE_FOLDER,
  RMD: REMOVE_FOLDER,
  XRMD: REMOVE_FOLDER,
  DELE: { argument: "one", for: "writers", run: removeFile },
  RNFR: { argument: "one", for: "writers", run: renameFrom },
  RNTO: { argument: "one", for: "writers", run: renameTo },
  SIZE: { argument: "one", for: "users", run: size },
  MDTM: { argument: "one", for: "users", run: modified },
  MLST: { argument: "any", for: "users", run: facts },
};

async function changeFolder(session: Session, path: string): Promise<Answer> {
  const name = session.nameOf(path);
  const { folder } = await session.tree.find(name);
  if (!folder) return [550, "It is no folder"];
  session.folder = name;
  return [250, `${quotePath(name)} is the folder`];
}

async function makeFolder(session: Session, path: string): Promise<Answer> {
  const name = session.nameOf(path);
  if (name === "") return [550, "It exists already"];
  await session.tree.makeFolder(name);
  return [257, `${quotePath(name)} is there`];
}

async function removeFile(session: Session, path: string): Promise<Answer> {
  await session.tree.removeFile(session.nameOf(path));
  return [250, "Removed"];
}

async function renameFrom(session: Session, path: string): Promise<Answer> {
  const name = session.nameOf(path);
  await session.tree.find(name);
  session.next = { rename: name };
  return [350, "Say RNTO"];
}

async function renameTo(session: Session, path: string): Promise<Answer> {
  const { rename } = session.next;
  if (rename === undefined) return [503, "Say RNFR first"];
  await session.tree.rename(rename, session.nameOf(path));
  return [250, "Renamed"];
}

async function size(session: Session, path: string): Promise<Answer> {
  const { folder, size } = await session.tree.find(session.nameOf(path));
  if (folder) return [550, "It is a folder"];
  // RFC 3659, section 4: as many bytes as are sent, which nobody has counted.
  if (session.type === "A") return [550, "Say TYPE I first"];
  return [213, String(size)];
}

async function modified(session: Session, path: string): Promise<Answer> {
  const { folder, modified } = await session.tree.find(session.nameOf(path));
  return folder ? [550, "It is a folder"] : [213, formatTime(modified)];
}

async function facts(session: Session, path: string): Promise<Answer> {
  const name = session.nameOf(path);
  const found = await session.tree.find(name);
  const folder = found.folder ? name : split(name)[0];
  const writable = await session.mayWrite(folder);
  const listed = { ...found, name: `/${name}` };
  const line = formatFacts(listed, { facts: session.facts, writable });
  return [250, "Facts", ` ${line}`, "End"];
}
