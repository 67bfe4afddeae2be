/**
 * A port that nobody has, and that no system gives to a client: a listener that
 * is closed for a moment must get it again.
 *
 * @module
 */
import { createServer } from "node:net";

export async function freePort(): Promise<number> {
  while (true) {
    const port = 10_000 + Math.floor(20_000 * Math.random());
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer().on("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
