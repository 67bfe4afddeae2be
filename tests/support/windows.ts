/**
 * What the library makes of Windows, as JSON; loaded behind `as_on.ts`.
 */
import { adviceFor } from "../../lib/experiment/failure.ts";
import { resolveAddress } from "../../lib/sockets/resolve.ts";
import { open } from "../../lib/sockets/runtimes/datagram.ts";
import { SocketError } from "../../lib/sockets/socket_error.ts";

/** What an endpoint says when its socket fails so. */
async function codesOf(code: string) {
  const endpoint = await open("AF_INET", ["127.0.0.1", 0], {
    reuseAddr: false,
    ipv6Only: false,
  });
  const given = Object.assign(new Error(code), { code });
  const failed = (promise: Promise<unknown>) =>
    promise.then(() => "nothing", (error) => error.code);
  await endpoint.connect(["127.0.0.1", 9]);
  endpoint.source.emit("error", given);
  const received = await failed(endpoint.take("recv", 1, 1000, undefined));
  endpoint.source.send = (_: unknown, done: unknown) =>
    (done as (error: Error) => void)(given);
  const sent = await failed(
    endpoint.send("send", new Uint8Array(1), undefined),
  );
  await endpoint.close();
  return [received, sent];
}

const destinations = ["0.0.0.0", "", "127.0.0.2"].map((host) =>
  ["connect", "sendto", "bind"].map((call) =>
    resolveAddress("AF_INET", [host, 9], call)
  )
);
const denied = new SocketError("EACCES", "bind", ["127.0.0.1", 80]);
const advice = await adviceFor(denied, { url: "file:///x.ts", port: 80 }, {
  flags: {},
});
console.log(JSON.stringify({
  destinations,
  advice,
  reset: await codesOf("ECONNRESET"),
  unknown: await codesOf("UNKNOWN"),
}));
