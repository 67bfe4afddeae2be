/**
 * Every experiment between two hosts, on a network with corrupted packets.
 */
import { testOnNetwork } from "../support/bad_networks.ts";

testOnNetwork("corrupted packets");
