/**
 * The socket options: their names, and the values that they have until a
 * program sets them.
 *
 * @module
 */

/** The options of a stream socket: socket(7), tcp(7), ipv6(7). */
export type StreamOption = typeof STREAM_OPTIONS[number];

export const STREAM_OPTIONS = [
  "SO_REUSEADDR",
  "SO_KEEPALIVE",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
] as const;

/** The options of a datagram socket: socket(7), ip(7), ipv6(7). */
export type DatagramOption = keyof typeof DATAGRAM_OPTIONS;

/** On or off, a number, an address, or `[group, own address]`. */
export type OptionValue = boolean | number | string | [string, string?];

export const DATAGRAM_OPTIONS = {
  SO_REUSEADDR: false,
  SO_BROADCAST: false,
  IPV6_V6ONLY: false,
  IP_ADD_MEMBERSHIP: false,
  IP_DROP_MEMBERSHIP: false,
  IP_MULTICAST_IF: "",
  IP_MULTICAST_LOOP: true,
  IP_MULTICAST_TTL: 1,
};
