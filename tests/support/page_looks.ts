/**
 * What is wrong with how a page looks, as expressions that a browser evaluates.
 */

/** The parts that must be scrolled sideways, the page itself among them. */
export const TOO_WIDE = `{
  const root = document.documentElement;
  const wide = [...document.querySelectorAll("body *")].filter((one) =>
    one.scrollWidth > one.clientWidth && one.clientWidth > 0 &&
    getComputedStyle(one).overflowX !== "visible"
  ).map(({ tagName, id, className }) => \`\${tagName} \${id} \${className}\`);
  root.scrollWidth > innerWidth ? ["the page", ...wide] : wide;
}`;

/**
 * Texts whose contrast with what is behind them is below 4.5, or 3 for large ones:
 * WCAG 2.2, 1.4.3. What cannot be used is exempt.
 */
export const LOW_CONTRAST = `{
  const canvas = document.createElement("canvas").getContext("2d",
    { willReadFrequently: true });
  const rgbaOf = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgba) => {
    const [r, g, b] = rgba.map((byte) => {
      const part = byte / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = rgbaOf(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgbaOf("Canvas");
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  for (let text; (text = texts.nextNode());) {
    const one = text.parentElement;
    const unused = one.closest("[aria-disabled=true], :disabled, script");
    if (!text.data.trim() || unused || !one.checkVisibility()) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(one);
    const [a, b] = [luminance(rgbaOf(color)), luminance(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
    if (ratio < (large ? 3 : 4.5)) {
      found.add(\`\${ratio.toFixed(1)}: \${text.data.trim().slice(0, 40)}\`);
    }
  }
  [...found];
}`;
