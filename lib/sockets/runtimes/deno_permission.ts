/**
 * Asks for Deno's permission to use the network, where its node:net and
 * node:dgram would throw what nobody can catch.
 *
 * @module
 */

/** How `--allow-net` writes it. */
function hostOf([hostname, port]: [host: string, port: number]): string {
  return hostname.includes(":")
    ? `[${hostname.split("%")[0]}]:${port}`
    : `${hostname}:${port}`;
}

/** Whether the address may be used; does not prompt. */
export function mayUse(address: [host: string, port: number]): boolean {
  const host = hostOf(address);
  return Deno.permissions.querySync({ name: "net", host }).state === "granted";
}

/** Prompts where the user can answer; throws NotCapable if it is denied. */
export async function requestNet(
  address: [host: string, port: number],
): Promise<void> {
  const host = hostOf(address);
  const { state } = await Deno.permissions.request({ name: "net", host });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable(
    `Requires net access to "${host}", run again with the --allow-net flag`,
  );
}
