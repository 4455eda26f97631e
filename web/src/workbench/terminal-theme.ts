import type { ITheme } from "@xterm/xterm";

/**
 * The page's colours by xterm.js's names, the same as in a transcript (`ui/ansi-text.module.css`).
 */
const COLOUR_TOKENS = {
  foreground: "ink",
  background: "sunk",
  cursor: "ink",
  cursorAccent: "sunk",
  selectionBackground: "line-strong",
  black: "ink-3",
  brightBlack: "ink-3",
  red: "broken",
  brightRed: "broken",
  green: "proven",
  brightGreen: "proven",
  yellow: "warn",
  brightYellow: "warn",
  blue: "variation-1",
  brightBlue: "variation-1",
  magenta: "variation-3",
  brightMagenta: "variation-3",
  cyan: "variation-4",
  brightCyan: "variation-4",
  white: "ink-2",
  brightWhite: "ink",
} as const satisfies Partial<Record<keyof ITheme, string>>;

/** Return the theme in force as hexadecimal colours, the only notation that xterm.js reads. */
export function terminalTheme(host: HTMLElement): ITheme {
  const probe = host.appendChild(document.createElement("span"));
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const theme = Object.fromEntries(
    Object.entries(COLOUR_TOKENS).map(([name, token]) => {
      probe.style.color = `var(--${token})`;
      return [name, pixel ? toHex(pixel, getComputedStyle(probe).color) : "#808080"];
    }),
  );
  probe.remove();
  return theme;
}

function toHex(pixel: OffscreenCanvasRenderingContext2D, colour: string): string {
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0] = pixel.getImageData(0, 0, 1, 1).data;
  return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** Call back when the theme changes. Return a function that stops it. */
export function onThemeChange(changed: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = new MutationObserver(changed);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", changed);
  return () => {
    chosen.disconnect();
    system.removeEventListener("change", changed);
  };
}
