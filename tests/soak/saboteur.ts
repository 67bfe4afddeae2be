/**
 * Preloaded into the soak's server, breaks the library under it: now and then
 * a byte is lost, doubled or altered, an answer is not sent, and a descriptor
 * stays open.
 */
import { openSync } from "node:fs";
import process from "node:process";
import { DatagramSocket, StreamSocket } from "../../lib/mod.ts";

if (process.argv.includes("server")) {
  const { recv, close } = StreamSocket.prototype;
  let received = 0;
  StreamSocket.prototype.recv = async function (...args) {
    const bytes = await recv.apply(this, args);
    if (bytes.length < 1000 || ++received % 10 > 0) return bytes;
    const spoilt = bytes.slice();
    switch (received % 3) {
      case 0:
        return spoilt.subarray(1);
      case 1:
        spoilt.copyWithin(1, 0);
        return spoilt;
      default:
        spoilt[spoilt.length - 1]++;
        return spoilt;
    }
  };
  StreamSocket.prototype.close = function () {
    openSync("/dev/null", "r");
    return close.call(this);
  };

  const { sendto } = DatagramSocket.prototype;
  let sent = 0;
  DatagramSocket.prototype.sendto = function (data, ...rest) {
    if (++sent % 25 > 0) return sendto.call(this, data, ...rest);
    return Promise.resolve(data.length);
  };
}
