/**
 * The cases of the conformance suite that are too long for every run: 64 MiB,
 * and as many connections as a listener may have.
 */
import { testCases } from "../conformance/tests.ts";

testCases({ gate: true });
