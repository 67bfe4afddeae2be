/**
 * Prints 100 numbered lines at once through a queue that holds fewer.
 */
import { queueOutput } from "../../lib/process/output.ts";

const written = queueOutput(200, (lines) => console.log(`${lines} missing`));
for (let i = 0; i < 100; i++) console[i % 2 ? "error" : "log"]("line", i);
await written();
console.log("the end");
