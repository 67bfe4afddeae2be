/**
 * The date and time as the lab writes it.
 *
 * @module
 */

/** The local date and time, `dd/mm/yyyy HH:MM:SS`. */
export function dateAndTime(date = new Date()): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(date.getDate())}/${two(date.getMonth() + 1)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${day}/${date.getFullYear()} ${time.map(two).join(":")}`;
}
