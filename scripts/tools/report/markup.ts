/**
 * Text as HTML and SVG take it: what a peer has sent is never markup.
 *
 * @module
 */

/** Text in which nothing is markup, between tags and between quotes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
