/**
 * A session of an FTP server: what it remembers of a client, and what a command
 * is. The commands are in files of their own.
 *
 * @module
 */
import { type Fact, FACTS } from "../../protocols/ftp_listing.ts";
import { resolvePath } from "../../protocols/ftp.ts";
import type { Control } from "./control.ts";
import type { DataPort } from "./data.ts";
import type { FileTree } from "./tree.ts";

/** The code of a reply, and a text for each of its lines. */
export type Answer = readonly [code: number, ...texts: string[]];

/** A command that a server knows. */
export interface Action {
  /** Whether it has an argument. */
  readonly argument: "none" | "one" | "any";
  /** Who may say it: everybody, who is logged in, or a user who may write. */
  readonly for: "everybody" | "users" | "writers";
  run(session: Session, argument: string): Promise<Answer> | Answer;
}

export type Actions = Readonly<Record<string, Action>>;

export class Session {
  readonly control: Control;
  readonly tree: FileTree;
  readonly data: DataPort;
  /** Says which file was sent or received, before the client is told. */
  readonly print: (line: string) => void;
  user = "";
  loggedIn = false;
  wrongPasswords = 0;
  folder = "";
  type: "A" | "I" = "A";
  facts: readonly Fact[] = FACTS;
  /** Where the next RETR begins (REST), and what the next RNTO renames. */
  next: { readonly start?: number; readonly rename?: string } = {};
  closing = false;

  constructor(
    { control, tree, data, print }: Pick<
      Session,
      "control" | "tree" | "data" | "print"
    >,
  ) {
    [this.control, this.tree] = [control, tree];
    [this.data, this.print] = [data, print];
  }

  /** The name in the tree of what an argument names. */
  nameOf(path: string): string {
    return resolvePath(this.folder, path);
  }

  /** Whether the user may change something in a folder. */
  async mayWrite(folder: string): Promise<boolean> {
    return this.user === WRITER && await this.tree.writable(folder);
  }
}

/** The user who may write, and the password; anybody may read as `anonymous`. */
export const [WRITER, PASSWORD] = ["lab", "lab"];
