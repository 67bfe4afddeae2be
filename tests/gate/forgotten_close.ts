/**
 * The programs of the original lab without the client's `close()`: 100 runs on
 * each runtime.
 */
import { testForgottenClose } from "../support/forgotten_close.ts";

testForgottenClose(20);
