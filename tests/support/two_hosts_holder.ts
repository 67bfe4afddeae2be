/**
 * Has two hosts, a process on one of them and the network's; says their ids, and
 * waits until it is killed.
 */
import { twoHosts } from "./two_hosts.ts";

const hosts = await twoHosts();
const { pid } = hosts.start("server", ["sleep", "60"]);
console.log(`${hosts.pid} ${pid}`);
