/**
 * A session of an FTP server: what it remembers of a client, and what a command
 * is. The commands are in files of their own.
 *
 * @module
 */
import { type Fact, FACTS } from "../../protocols/ftp_listing.ts";
import { resolvePath } from "../../protocols/ftp.ts";
import type { Control } from "./control.ts";
import type { DataPort, Opener } from "./data.ts";
import type { FileTree } from "./tree.ts";

/** The code of a reply, and a text for each of its lines. */
export type Answer = readonly [code: number, ...texts: string[]];

/** A file that is whole at the other end. */
export interface Transferred {
  readonly verb: "RETR" | "STOR";
  readonly name: string;
  /** Of the data connection: in TYPE A not the same as in the file. */
  readonly bytes: number;
  readonly opener: Opener;
}

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
  /** Is told of each file that was sent or received. */
  readonly done: (file: Transferred) => void;
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
    { control, tree, data, done }: Pick<
      Session,
      "control" | "tree" | "data" | "done"
    >,
  ) {
    [this.control, this.tree] = [control, tree];
    [this.data, this.done] = [data, done];
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
