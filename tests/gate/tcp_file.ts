/**
 * 256 MiB through both ends of tcp_file, one runtime after the other: the same
 * file arrives, and neither end grows by 16 MiB on the way.
 * `bun tests/support/big_file.ts` does it with 1 GiB, and measures the time, too.
 */
import { expect } from "bun:test";
import { noProc } from "../support/proc.ts";
import { bigFile, transfer } from "../support/big_file.ts";
import { find, RUNTIMES } from "../support/runtimes.ts";
import { needing } from "../support/test_on.ts";

const reason = noProc ??
  RUNTIMES.map((runtime) => find(runtime).reason).find((reason) => reason);

needing(reason, "tcp_file sends 256 MiB in constant memory", async () => {
  using file = bigFile(256);
  for (const runtime of RUNTIMES) {
    const { code, stderr, grown, same } = await transfer(runtime, file);
    expect([runtime, code, stderr, same]).toEqual([runtime, 0, "", true]);
    for (const end of ["server", "client"]) {
      expect([end, grown[end]]).toEqual([end, expect.any(Number)]);
      expect(grown[end]).toBeLessThan(16 * 1024);
    }
  }
}, 300_000);
