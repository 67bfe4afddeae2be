/**
 * The conformance suite: what CONFORMANCE.md and DESIGN.md section 2 say about
 * the sockets, as cases that are written once and run on every runtime.
 *
 * @module
 */
import { cases as addresses } from "./addresses.ts";
import { cases as binding } from "./binding.ts";
import { cases as closing } from "./closing.ts";
import { cases as connecting } from "./connecting.ts";
import { cases as data } from "./data.ts";
import { cases as datagrams } from "./datagrams.ts";
import { cases as errors } from "./errors.ts";
import type { Case } from "./fixtures.ts";
import { cases as givenUp } from "./given_up.ts";
import { cases as life } from "./life.ts";
import { cases as listening } from "./listening.ts";
import { cases as load } from "./load.ts";
import { cases as network } from "./network.ts";
import { cases as options } from "./options.ts";
import { cases as ownership } from "./ownership.ts";
import { cases as permissions } from "./permissions.ts";
import { cases as reader } from "./reader.ts";
import { cases as recvInto } from "./recv_into.ts";
import { cases as resets } from "./resets.ts";
import { cases as unix } from "./unix.ts";
import { cases as waits } from "./waits.ts";

/** Every case, in the order of CONFORMANCE.md. */
export const cases: readonly Case[] = [
  ...errors,
  ...addresses,
  ...binding,
  ...listening,
  ...connecting,
  ...data,
  ...recvInto,
  ...ownership,
  ...closing,
  ...resets,
  ...waits,
  ...givenUp,
  ...unix,
  ...options,
  ...datagrams,
  ...reader,
  ...network,
  ...permissions,
  ...life,
  ...load,
];

/** The need of most cases. */
export const NOTHING = "nothing";
