/**
 * Prints as somebody does who looks for a mistake: `printing.ts [guarded]`.
 */
import process from "node:process";
import { guardOutput } from "../../lib/process/process.ts";

if (process.argv[2] === "guarded") guardOutput();
console.log("a line, 100%d");
console.log("several", 1, { of: ["values"] }, new Uint8Array([1, 2]));
console.log({ one: 1 });
console.log(undefined);
console.log();
console.log("%d formatted", 5);
