/**
 * The names of the socket options, and their values.
 *
 * @module
 */

/** The options of a stream socket: socket(7), tcp(7), ipv6(7). */
export type StreamOption =
  | "SO_REUSEADDR"
  | "SO_KEEPALIVE"
  | "TCP_NODELAY"
  | "IPV6_V6ONLY";

/** The options of a datagram socket: socket(7), ip(7), ipv6(7). */
export type DatagramOption =
  | "SO_REUSEADDR"
  | "SO_BROADCAST"
  | "IPV6_V6ONLY"
  | "IP_ADD_MEMBERSHIP"
  | "IP_DROP_MEMBERSHIP"
  | "IP_MULTICAST_IF"
  | "IP_MULTICAST_LOOP"
  | "IP_MULTICAST_TTL";

/** On or off, a number, an address, or `[group, own address]`. */
export type OptionValue = boolean | number | string | [string, string?];
