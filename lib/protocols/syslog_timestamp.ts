/**
 * Timestamps of syslog messages: RFC 5424 takes them from RFC 3339; those of
 * RFC 3164 have neither year nor time zone.
 *
 * @module
 */

/** RFC 5424, section 6.2.3. */
export const RFC_3339 =
  /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)/;
/** RFC 3164, section 4.1.2. */
export const RFC_3164 = /[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/;

/** Whether text that looks like a timestamp is one: no 30th of February. */
export function isTimestamp(text: string): boolean {
  const [, month, day, ...time] = text.match(RFC_3164_PARTS) ?? [];
  const old = month !== undefined;
  const date = old
    ? `2000-${twoDigits(MONTHS.indexOf(month) + 1)}-${twoDigits(Number(day))}`
    : text.slice(0, 10);
  const [hour, minute, second] = old ? time : text.slice(11, 19).split(":");
  const [, zone] = text.match(/[+-](\d\d:\d\d)$/) ?? [, "00:00"];
  const midnight = new Date(`${date}T00:00:00Z`);
  return !isNaN(midnight.getTime()) &&
    midnight.toISOString().startsWith(date) && Number(hour) < 24 &&
    Number(minute) < 60 && Number(second) < 60 && zone! < "24" &&
    Number(zone!.slice(3)) < 60;
}

/**
 * The Unix time of a message in ms; undefined if it has no timestamp. RFC 3164
 * has neither year nor zone: the year that is nearest to `now`, and our zone.
 */
export function sentTime(
  { timestamp }: { timestamp?: string | undefined },
  now: number,
): number | undefined {
  if (timestamp === undefined) return;
  const [, month, day, hour, minute, second] =
    timestamp.match(RFC_3164_PARTS) ?? [];
  // Runtimes differ in how they read more digits than a Date keeps.
  if (!month) return Date.parse(timestamp.replace(/(\.\d{3})\d+/, "$1"));
  const year = new Date(now).getFullYear();
  const times = [year - 1, year, year + 1].map((year) =>
    new Date(
      ...[year, MONTHS.indexOf(month), Number(day)] as [number, number, number],
      ...[hour, minute, second].map(Number),
    ).getTime()
  );
  const distance = (time: number) => Math.abs(time - now);
  return times.reduce((one, two) => distance(two) < distance(one) ? two : one);
}

/**
 * A timestamp as the format has it: `2026-11-05T18:55:12.345Z` in RFC 5424; in
 * RFC 3164 local time without a fraction, `Nov  5 18:55:12`.
 */
export function formatTimestamp(
  date: Date,
  format: "rfc5424" | "rfc3164",
): string {
  if (format !== "rfc3164") return date.toISOString();
  const day = String(date.getDate()).padStart(2);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()];
  return `${MONTHS[date.getMonth()]} ${day} ${time.map(twoDigits).join(":")}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const RFC_3164_PARTS = /^([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)$/;
