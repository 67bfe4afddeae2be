/**
 * Files over UDP with TFTP: block numbers, acknowledgements and a timer make UDP
 * reliable. With several blocks on the way the same losses cost less time.
 *
 * Aim: To send a file over UDP by TFTP, and to see what its window is good for.
 *
 *     deno run --allow-net scripts/tftp_files.ts
 *     bun scripts/tftp_files.ts
 *     node scripts/tftp_files.ts
 *
 * The client reads `--file NAME`, and `--save FILE` keeps it; or it writes `--put
 * FILE`. The server has the files below `--root DIR`, and clients may create some
 * in `--inbox DIR`; then nothing is lost on purpose. `--loss` says how much is.
 *
 * Output:
 *
 *     client: Window of 1: 40 blocks in <880> ms, SHA-256 430ffe2539b1d6a9
 *     server: Sent notes.bin: 40 blocks, 8 of <48> sends lost
 *     client: Window of 8: 40 blocks in <120> ms, SHA-256 430ffe2539b1d6a9
 *     server: Sent notes.bin: 40 blocks, 8 of <61> sends lost
 */
import {
  AF_INET,
  type End,
  experiment,
  SOCK_DGRAM,
  socket,
  SocketError,
} from "../lib/mod.ts";
import { requestIn } from "../lib/protocols/tftp.ts";
import { FRACTION, WHOLE_NUMBER } from "../lib/services/flag_values.ts";
import { exchangeFile } from "../lib/services/tftp/client.ts";
import { inWords, openTransfers } from "../lib/services/tftp/server.ts";

export async function server(end: End) {
  const { address, flags, print, ready, serve } = end;
  // 1. Create a socket and bind it. It receives requests to read or to write.
  const transfers = await openTransfers(flags);
  const receiver = socket(AF_INET, SOCK_DGRAM);
  await receiver.bind(address);
  ready(receiver);
  for await (const [data, sender] of receiver) {
    const request = requestIn(data);
    if (!request || transfers.has(sender)) continue;
    const answer = async () => {
      // 2. Answer from a socket of its own. Its port and the client's identify
      //    the transfer: what comes from elsewhere does not belong to it.
      const own = socket(AF_INET, SOCK_DGRAM);
      await own.bind([address[0], 0]);

      // 3. Send a window of blocks and wait for its acknowledgement. Send again
      //    what is missing, or the whole window if nothing comes in time. Who
      //    writes a file sends it in the same way to this end.
      const done = await transfers.run(own, sender, request);
      if (done) print(inWords(request, done));
    };
    await serve(sender, answer, { pause: 5000 });
  }
  await transfers.end();
}

export async function client({ address, flags, print }: End) {
  const { put, save, file = put?.match(/[^/\\]*$/)?.[0] } = flags;
  const name = file ?? "notes.bin";
  const hashes = new Set<string>();
  for (const windowsize of put ?? save ? [8] : [1, 8]) {
    // 1. Create a socket. It is not connected: the request goes to the server's
    //    port, and the answer comes from that of the transfer.
    await using own = socket(AF_INET, SOCK_DGRAM);

    // 2. Send the request until there is an answer. Acknowledge each window of
    //    blocks, and at once the last block before one that is missing.
    const start = performance.now();
    const wish = { name, windowsize, put, save };
    const { window, blocks, hash } = await exchangeFile(own, address, wish);
    const ms = Math.round(performance.now() - start);

    // 3. Compare what has come: it is the same file, byte by byte.
    if (hashes.add(hash).size > 1) {
      throw new SocketError("EBADMSG", "recv", address);
    }
    const sha256 = `SHA-256 ${hash.slice(0, 16)}`;
    print(`Window of ${window}: ${blocks} blocks in ${ms} ms, ${sha256}`);
  }
  return [...hashes];
}

if (import.meta.main) {
  const flags = {
    loss: { ...FRACTION, help: "lose this share of the blocks (0.1, or 0)" },
    seed: { ...WHOLE_NUMBER, help: "choose which ones (7)" },
    root: { value: "DIR", help: "serve the files below this folder" },
    inbox: { value: "DIR", help: "let clients create files in this one" },
    file: { value: "NAME", help: "what the file is called at the server" },
    put: { value: "FILE", help: "write this file to the server" },
    save: { value: "FILE", help: "keep the file that was read" },
  };
  const { url } = import.meta;
  await experiment({ url, port: 6969, clock: true, flags, server, client });
}
