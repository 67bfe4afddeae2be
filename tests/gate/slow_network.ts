/**
 * Every experiment between two hosts, on a network with a delay of 20 ms.
 */
import { testLateReadings, testOnNetwork } from "../support/bad_networks.ts";

testOnNetwork("a delay of 20 ms");
testLateReadings();
