/**
 * A program ends when its last line has run and nothing waits, with sockets open
 * or not; with 20 runs of each in the gate.
 */
import { testForgottenClose } from "./support/forgotten_close.ts";

testForgottenClose(1);
