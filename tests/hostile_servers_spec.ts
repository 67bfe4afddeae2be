/**
 * A client ends whatever its server does: it is silent, resets, sends garbage,
 * without end or a byte at a time; datagrams are forged, doubled or late. The
 * client fails in one line, or has the result that an answer gives. Here each
 * client meets each server on one runtime; the gate has the other two.
 */
import { testClients } from "./hostile/client_tests.ts";

testClients({ gate: false });
