/**
 * Netcat and socat, where they are installed: either end of an experiment whose
 * messages a person could type.
 */
import { spawnSync } from "node:child_process";

const { stderr } = spawnSync("nc", ["-h"], { encoding: "utf8" });

/** Why OpenBSD's `nc` cannot be used, if so; others have no -N. */
export const noNetcat = stderr?.includes("OpenBSD")
  ? undefined
  : "nc of OpenBSD is not installed (Debian: netcat-openbsd)";

export const noSocat = spawnSync("socat", ["-V"]).error
  ? "socat is not installed (Debian: socat)"
  : undefined;
