/**
 * Waits that end.
 */

/**
 * How long something that comes at once may take on a busy machine, in ms:
 * less than the 30 s after which a server gives up a silent client.
 */
export const PATIENCE = 20_000;

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a promise resolves to, or undefined if that takes too long. */
export async function within<T>(
  promise: Promise<T>,
  ms = PATIENCE,
): Promise<T | undefined> {
  let timer;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
