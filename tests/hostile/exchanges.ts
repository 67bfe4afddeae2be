/**
 * What an honest client of each experiment says and hears, as raw bytes: the
 * hostile peers begin such an exchange, and after each of them one must work.
 */

/** The exchange of a stream: all that is said, then FIN, then what is heard. */
export interface StreamExchange {
  kind: "stream";
  say: string;
  /** How the server's answer begins; all of it for a short one. */
  hear: RegExp;
  /** How many bytes it has, where that matters. */
  size?: number;
  /** It serves one client at a time: it is the experiment's subject. */
  serial?: boolean;
  /** What it is sent too much of, in MB. */
  flood?: number;
  /** How many connections it has at once; 5000 cost two seconds. */
  crowd?: number;
}

/** The exchange of datagrams: one is sent until one is answered. */
export interface DatagramExchange {
  kind: "datagram";
  say: string;
  hear: RegExp;
}

export type Exchange = StreamExchange | DatagramExchange;

const TIME = /^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/;
const LINES = Array.from({ length: 10 }, (_, i) => `message ${i}\n`).join("");

/** By the experiment's name. */
export const EXCHANGES: Record<string, Exchange> = {
  tcp_hello: { kind: "stream", say: "", hear: /^Hello World!$/ },
  tcp_time: {
    kind: "stream",
    say: "Time received successfully.",
    hear: TIME,
    flood: 100,
    crowd: 5000,
  },
  tcp_client_details: { kind: "stream", say: "127.0.0.1", hear: TIME },
  tcp_address_lookup: {
    kind: "stream",
    say: "165.165.80.80",
    hear: /^6A:08:AA:C2$/,
    flood: 50,
  },
  tcp_thank_you: {
    kind: "stream",
    say: "",
    hear: /^Thank you for connecting\r\n$/,
  },
  tcp_half_close: {
    kind: "stream",
    say: "one\ntwo\nthree\n",
    hear: /^\0/,
    size: 16 * 1024 * 1024,
    flood: 100,
  },
  tcp_stream: { kind: "stream", say: LINES, hear: new RegExp(`^${LINES}$`) },
  tcp_backlog: {
    kind: "stream",
    say: "",
    hear: /^Your turn\r\n$/,
    serial: true,
  },
  // After the first of these requests the server is no longer a serial one.
  tcp_concurrent: { kind: "stream", say: "Side by side\r\n", hear: /^OK\r\n$/ },
  names: { kind: "stream", say: '"localhost"', hear: /^$/ },
  unix_echo: {
    kind: "stream",
    say: LINES,
    hear: new RegExp(`^${LINES}$`),
    flood: 100, // of which it takes little, since the peer reads nothing
  },
  udp_echo: { kind: "datagram", say: "Hello, UDP!", hear: /^Hello, UDP!$/ },
  udp_datagrams: { kind: "datagram", say: "one", hear: /^one$/ },
  udp_broadcast: {
    kind: "datagram",
    say: "Is anybody there?",
    hear: /^Receiver [12]$/,
  },
};
