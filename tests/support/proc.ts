/**
 * What Linux tells of processes and sockets, proc(5); other systems have
 * nothing like it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Why there is nothing to read, if so. */
export const noProc = existsSync("/proc/self/status")
  ? undefined
  : "there is no /proc";

/** The processes with this in their command or environment. */
export function having(mark: string): string[] {
  if (noProc) return [];
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.filter((pid) => {
    try {
      return ["cmdline", "environ"].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, "utf8").includes(mark)
      );
    } catch {
      return false; // it has ended
    }
  });
}

/** The processes that a tool has started, however deep, but for its guards. */
export function startedBy(pid: number): string[] {
  const mark = new RegExp(`^SOCKET_LAB_STARTED_BY=.*/${pid}-`);
  return having(`/${pid}-`).filter((each) => {
    try {
      const environment = readFileSync(`/proc/${each}/environ`, "utf8");
      return environment.split("\0").some((line) => mark.test(line));
    } catch {
      return false; // it has ended
    }
  });
}

/** What a process uses. */
export interface Figures {
  descriptors: number;
  /** Its memory, in KiB. */
  resident: number;
  /** The most memory that it had since `forgetPeak`, in KiB. */
  peak: number;
}

/** undefined on another system, or when the process has ended. */
export function figuresOf(pid: number): Figures | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const of = (field: string) =>
      Number(status.match(new RegExp(`^${field}:\\s*(\\d+) kB`, "m"))![1]);
    return {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      resident: of("VmRSS"),
      peak: of("VmHWM"),
    };
  } catch {
    return;
  }
}

/** Lets the peak start again at what is resident now: proc_pid_clear_refs(5). */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // the peak stays that of the whole run
  }
}

/** The processor time that a process has used, in ticks of 10 ms. */
export function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1];
  const [user, system] = stat.split(" ").slice(11, 13).map(Number);
  return user + system;
}

/**
 * How many datagrams the kernel has dropped at a port, proc_net_udp(5);
 * undefined on another system.
 */
export function droppedAt(port: number): number | undefined {
  if (noProc) return;
  const name = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/udp", "utf8").trimEnd().split("\n")
    .map((row) => row.trim().split(/\s+/));
  return rows.filter(([, local]) => local.endsWith(name))
    .reduce((sum, row) => sum + Number(row.at(-1)), 0);
}
