/**
 * An FTP server in this process, and clients of it that say what a test wants.
 */
import net, { type AddressInfo, type Socket } from "node:net";
import { socket } from "../../lib/mod.ts";
import {
  endsReply,
  parseReplyLine,
  passivePort,
} from "../../lib/protocols/ftp.ts";
import { openTree } from "../../lib/services/ftp/folder_tree.ts";
import { answerCommands } from "../../lib/services/ftp/server.ts";

const HOST = "127.0.0.1";

/** A server whose sessions have a time limit; `ended` tells how each one ended. */
export async function ftpServer(
  { host = HOST, root, inbox, timeout = 20_000 }: {
    host?: string;
    root?: string;
    inbox?: string;
    timeout?: number;
  } = {},
) {
  const tree = await openTree({ root, inbox });
  const listener = socket();
  await listener.bind([host, 0]);
  await listener.listen();
  const [, port] = listener.getsockname();
  const lines: string[] = [];
  const ended: (string | undefined)[] = [];
  const outside = {
    async listen(host: string) {
      const passive = socket();
      await passive.bind([host, 0]);
      await passive.listen(1);
      return passive;
    },
    async connect(
      [host, address]: [string, [string, number]],
      wait: { signal: AbortSignal },
    ) {
      const active = socket();
      await active.bind([host, 0]);
      await active.connect(address, wait);
      return active;
    },
    print: (line: string) => void lines.push(line),
  };
  const serve = async () => {
    for await (const [client] of listener) {
      client.settimeout(timeout);
      answerCommands(client, tree, outside)
        .then(() => ended.push(undefined), (error) => ended.push(error.message))
        .finally(() => client.close());
    }
  };
  serve();
  return {
    port: Number(port),
    tree,
    lines,
    ended,
    client: (host?: string) => ftpClient(Number(port), host),
    [Symbol.asyncDispose]: () => listener.close(),
  };
}

/** A client, logged in as lab unless it says nothing. */
export async function ftpClient(server: number, host = HOST) {
  const control = net.connect({ port: server, host, localAddress: HOST });
  let [text, ended] = ["", false];
  let wake = () => {};
  control.setEncoding("latin1").on("error", () => {})
    .on("data", (data: string) => (text += data, wake()))
    .on("close", () => (ended = true, wake()));
  /** The next reply, as its code and texts. */
  const reply = async (): Promise<string> => {
    while (true) {
      const lines = text.split("\r\n").slice(0, -1);
      const first = lines.length > 0 ? parseReplyLine(lines[0]) : undefined;
      const last = !first || first.whole
        ? 0
        : lines.findIndex((line, at) => at > 0 && endsReply(line, first.code));
      if (first && last >= 0) {
        const found = lines.slice(0, last + 1).join("\r\n");
        text = text.slice(found.length + 2);
        return found;
      }
      if (ended) return "closed";
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  const say = (line: string) => {
    control.write(`${line}\r\n`);
    return reply();
  };
  const port = async () => passivePort({ code: 229, text: await say("EPSV") })!;
  await reply();
  await say("USER lab");
  await say("PASS lab");
  await say("TYPE I");
  return {
    control,
    say,
    reply,
    /** Asks for a port, and connects to it. */
    async passive(): Promise<Socket> {
      return await dial(await port(), { host });
    },
    port,
    /** Listens, and tells the port; gives what comes to it. */
    async active(): Promise<{ comes: Promise<Socket> }> {
      const listener = net.createServer().listen(0, HOST);
      await new Promise((resolve) => listener.once("listening", resolve));
      const { port } = listener.address() as AddressInfo;
      const comes = new Promise<Socket>((resolve) =>
        listener.once("connection", (data: Socket) => {
          listener.close();
          resolve(data);
        })
      );
      await say(`EPRT |1|${HOST}|${port}|`);
      return { comes };
    },
    [Symbol.dispose]: () => void control.destroy(),
  };
}

/** A connection to a port, from an address. */
export async function dial(
  port: number,
  { host = HOST, from: localAddress = HOST } = {},
): Promise<Socket> {
  const data = net.connect({ port, host, localAddress });
  await new Promise((resolve, reject) =>
    data.once("connect", resolve).once("error", reject)
  );
  return data;
}

/** All that comes, as latin1. */
export async function allOf(data: Socket): Promise<string> {
  let text = "";
  data.setEncoding("latin1").on("data", (piece: string) => text += piece);
  await new Promise((resolve) =>
    data.on("error", () => {}).on("close", resolve)
  );
  return text;
}
