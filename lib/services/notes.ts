/**
 * The files of a shelf in memory: a text, and bytes in which a block that is lost,
 * doubled or in the wrong place is noticed.
 *
 * @module
 */
import { random } from "./random.ts";

/** What makes each file, by its name; it is the same in every run. */
export const NOTES: Record<string, () => Uint8Array> = {
  "notes.bin": () => Uint8Array.from({ length: 20_000 }, byteAt),
  "notes.txt": () => new TextEncoder().encode(TEXT),
};

function byteAt(_: unknown, position: number): number {
  return Math.floor(256 * random(7, position));
}

const TEXT = `NOTES ON SOCKETS

1. A server of TCP

socket() makes an end of a connection that does not exist yet. bind() gives
it an address: a host and a port. listen() tells the system to accept
connections to that address; from then on clients can connect, even while
the program does something else. accept() gives the program the next of
these connections, as a socket of its own. The first socket goes on
listening.

2. A client of TCP

socket() and connect() are enough: the system chooses the port of this end.
connect() has succeeded when the system of the server has answered. The
server's program may not have accepted the connection yet.

3. A stream has no messages

TCP keeps the order of the bytes, and nothing else. One send() may arrive in
several recv(), and several send() in one. Who needs messages has to say
where each one ends: by a delimiter, by a length before it, or by the end of
the stream.

4. The end of a stream

recv() gives no bytes when the other end has called shutdown() or close(),
or when its process has ended, for whatever reason. The system closes the
sockets of a process that crashes in the same way as those of one that has
done its work. So the end of a stream does not say that all has been sent.

5. A file

A file is a message that may be long. Its length tells the receiver when to
stop, and how much is missing if the stream ends before. Its hash tells
whether the bytes are the right ones: the checksum of TCP has 16 bits, and
what a broken disk, a wrong buffer or a program does to the bytes is not
seen by it at all. A receiver gives a file its name only when both are
right. Before that, nobody can take a part of it for the whole.

6. One buffer

A file may be larger than the memory. Both ends need one buffer: read a
chunk, send it, and use the buffer again; receive a piece, write it, and use
the buffer again. A sender that is faster than its receiver waits, because
the window of TCP is full.

7. Datagrams

UDP sends messages and keeps their bounds, but not their order, and any of
them may be lost or arrive twice. Who wants to send a file over UDP has to
number the blocks, to acknowledge them, and to send again what was not
acknowledged.

8. Several clients

While a server talks to one client, the others wait, unless it serves them
side by side: with a process, with a thread, or with a promise for each.
Whoever sends nothing, or reads nothing, must not hold the others up. So a
server has limits: how long it waits, how much it keeps, and how many it
serves.

9. Names

The name of a file comes from somebody else. It may try to lead out of the
folder that the server offers: by "..", by a path from the root, by a link.
So a server first finds out where a name leads, and then asks whether that
is below its folder.
`;
