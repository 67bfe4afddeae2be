/**
 * nginx and haproxy as they stand in front of a server, or serve a folder. Each run
 * has a folder of its own.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { freePort } from "../../scripts/tools/support/free_port.ts";
import { start } from "../support/runtimes.ts";

/** Why a program cannot be used, if so. */
export function missing(program: string, debian = program): string | undefined {
  const { error } = spawnSync(program, ["--version"]);
  return error && `${program} is not installed (Debian: ${debian})`;
}

export const NGINX = existsSync("/usr/sbin/nginx")
  ? "/usr/sbin/nginx"
  : "nginx";
export const HAPROXY = existsSync("/usr/sbin/haproxy")
  ? "/usr/sbin/haproxy"
  : "haproxy";

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Stops it; the requests that it has forwarded, and the status of the answers. */
  forwarded(): Promise<{ request: string; status: string }[]>;
}

/** nginx in front of a port, or with the files of a folder. */
export async function nginx(
  behind: { port: string } | { folder: string },
): Promise<Proxy> {
  const folder = mkdtempSync(`${tmpdir()}/nginx-`);
  const port = await freePort();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join("\n");
  const location = "port" in behind
    ? `proxy_pass http://127.0.0.1:${behind.port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;`
    : `root ${behind.folder};`;
  writeFileSync(
    `${folder}/conf`,
    `daemon off; master_process off; pid ${folder}/pid;
    error_log ${folder}/errors;
    events {}
    http {
      ${paths}
      log_format forwarded '$upstream_addr|$upstream_status|$request_method $request_uri';
      access_log ${folder}/log forwarded;
      server {
        listen 127.0.0.1:${port};
        client_header_timeout 1s; client_body_timeout 1s;
        large_client_header_buffers 4 32k;
        location / { ${location} }
      }
    }`,
  );
  const command = [NGINX, "-c", `${folder}/conf`, "-e", `${folder}/errors`];
  return await running(command, port, folder);
}

/** haproxy in front of a port. */
export async function haproxy(behind: string): Promise<Proxy> {
  const folder = mkdtempSync(`${tmpdir()}/haproxy-`);
  const port = await freePort();
  writeFileSync(
    `${folder}/conf`,
    `global
  log stdout format raw local0
  tune.bufsize 65536
defaults
  mode http
  log global
  timeout connect 5s
  timeout client 1s
  timeout server 5s
  log-format "%b/%s|%ST|%HM %HU"
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${behind}
`,
  );
  // It drops lines that a pipe does not take at once; a file takes them all.
  const line = `exec ${HAPROXY} -db -f ${folder}/conf >${folder}/log`;
  return await running(["sh", "-c", line], port, folder);
}

async function running(
  command: string[],
  port: number,
  folder: string,
): Promise<Proxy> {
  const daemon = start(command);
  const open = () =>
    new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.on("connect", () => resolve(true)).on(
        "error",
        () => resolve(false),
      );
      socket.on("connect", () => socket.destroy());
    });
  let ended = false;
  daemon.finished.then(() => ended = true);
  while (!ended && !await open()) await Bun.sleep(20);
  if (ended) throw new Error((await daemon.finished).stderr);
  const stop = async () => {
    daemon.kill();
    return await daemon.finished;
  };
  return {
    port,
    async forwarded() {
      await stop();
      const lines = readFileSync(`${folder}/log`, "latin1").trim().split("\n");
      return lines.flatMap((line) => {
        // What has not reached the server does not name it.
        const [, status, request] =
          line.match(/^(?:127[^|]*|b\/s)\|([^|]*)\|(.*)$/) ?? [];
        return request ? { request, status } : [];
      });
    },
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(folder, { recursive: true });
    },
  };
}
