/**
 * Every experiment between two hosts, on a network with losses, doubles and overtaking.
 */
import { testOnNetwork } from "../support/bad_networks.ts";

testOnNetwork("losses, doubles and overtaking");
