/**
 * Tries the calls of the pocket edition on the runtime that runs this, and
 * prints what each has given: one line each, the same on every runtime. It
 * leaves its sockets open, and ends all the same.
 */
import net from "node:net";
import {
  AF_INET,
  decode,
  experiment,
  Reader,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SocketError,
  type StreamSocket,
} from "../../scripts/tools/snippet/pocket.ts";

const say = (...words: unknown[]) => console.log(words.join(" "));
const failure = (call: Promise<unknown>) =>
  call.then(() => "no error", (error: SocketError) => error.code);

async function client() {
  const listener = socket(AF_INET, SOCK_STREAM);
  await listener.bind(["127.0.0.1", 0]);
  const address = listener.getsockname();
  say("connect() before listen():", await failure(socket().connect(address)));
  await listener.listen(5);
  say("bind() to a taken port:", await failure(socket().bind(address)));
  say(
    "bind() to a foreign host:",
    await failure(socket().bind(["8.8.8.8", 0])),
  );
  say("recv() before connect():", await failure(socket().recv(1)));

  {
    const [client, server] = await pair(listener);
    await client.sendall("hello, world");
    say("recv(5):", decode(await server.recv(5)));
    const waiting = [server.recv(7), server.recv(2), server.recv(2)];
    await client.send("ab");
    await client.send("cd");
    say("recv() in order:", (await Promise.all(waiting)).map(decode).join("|"));
    await client.shutdown(SHUT_WR);
    say("recv() at the end:", (await server.recv(9)).length);
    say("recv() after it:", (await server.recv(9)).length);
    await server.sendall("still open");
    say("recv() after SHUT_WR:", decode(await client.recv(99)));
    say("sendall() after SHUT_WR:", await failure(client.sendall("x")));
    await client.close();
    say("recv() after close():", await failure(client.recv(1)));
  }
  {
    const [client, server] = await pair(listener);
    const whole = new Uint8Array(1024 * 1024).map((_, i) => i * 31);
    const echo = (async () => {
      for (let bytes; (bytes = await server.recv(4096)).length > 0;) {
        await server.sendall(bytes);
      }
      await server.close();
    })();
    const sent = client.sendall(whole).then(() => client.shutdown(SHUT_WR));
    const back = await new Reader(client).all({ limit: whole.length });
    await Promise.all([echo, sent]);
    say("1 MiB comes back:", back.every((byte, i) => byte === whole[i]));
  }
  {
    const [client, server] = await pair(listener);
    client.settimeout(300);
    const much = new Uint8Array(64 * 1024 * 1024);
    say(
      "sendall() to one who does not read:",
      await failure(client.sendall(much)),
    );
    await client.close();
    await server.close();
    const [quiet, silent] = await pair(listener);
    silent.settimeout(100);
    say("recv() from a silent peer:", await failure(silent.recv(1)));
    await quiet.sendall("late");
    say("recv() after its timeout:", decode(await silent.recv(9)));
    const waiting = silent.recv(9);
    await silent.close();
    say("recv() when it is closed:", await failure(waiting));
  }
  {
    const raw = net.connect(address[1], address[0]).on("error", () => {});
    const [reset] = await listener.accept();
    const waiting = failure(reset.recv(9));
    raw.resetAndDestroy();
    say("recv() at a reset:", await waiting);
    reset.sendall("nobody waits for this one"); // which is no crash
    const hasty = net.connect(address[1], address[0]);
    hasty.on("connect", () => hasty.destroy());
    const [gone] = await listener.accept();
    say("recv() from one who has gone:", (await gone.recv(9)).length);
  }
  {
    const [client, server] = await pair(listener);
    const reader = new Reader(server);
    await client.sendall("one\r\ntwo\nthree;fourfive");
    await client.shutdown(SHUT_WR);
    say("line():", await reader.line(), await reader.line());
    say("until():", decode((await reader.until(";"))!));
    say("exactly():", decode(await reader.exactly(4)));
    say("line() within one:", await failure(reader.line()));
    say("line() too long:", await failure(reader.line({ limit: 3 })));
    say("all():", decode(await reader.all()));
    say("line() at the end:", await reader.line());
    say("exactly() at the end:", await failure(reader.exactly(1)));
  }
  {
    const [client] = await pair(listener);
    await client.sendall("taken");
    const port = listener.getsockname();
    await listener.close();
    say("accept() after close():", await failure(listener.accept()));
    const next = socket();
    await next.bind(port);
    say("bind() after close():", String(next.getsockname()) === String(port));
  }
  {
    const receiver = socket(AF_INET, SOCK_DGRAM);
    await receiver.bind(["127.0.0.1", 0]);
    const to = receiver.getsockname();
    const other = socket(AF_INET, SOCK_DGRAM);
    say("bind() to a taken UDP port:", await failure(other.bind(to)));
    const sender = socket(AF_INET, SOCK_DGRAM);
    say("sendto():", await sender.sendto("datagram", to));
    const [data, from] = await receiver.recvfrom(4);
    say("recvfrom(4):", decode(data), from[1] === sender.getsockname()[1]);
    receiver.settimeout(100);
    say("recvfrom() of nothing:", await failure(receiver.recvfrom(9)));
    const big = new Uint8Array(65_508);
    say("sendto() of too much:", await failure(sender.sendto(big, to)));
    const all = ["127.255.255.255", to[1]] as [string, number];
    say("sendto() to all:", await failure(sender.sendto("x", all)));
  }
  say("accept() before listen():", await failure(socket().accept()));
}

/** Both ends of a connection. */
async function pair(
  listener: StreamSocket,
): Promise<[StreamSocket, StreamSocket]> {
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(listener.getsockname());
  const [accepted, peer] = await listener.accept();
  if (String(peer) !== String(client.getsockname())) say("wrong peer", peer);
  return [client, accepted];
}

// experiment() deals with the failure of a call that nobody waits for.
await experiment({ url: import.meta.url, port: 0, client });
