/** Parse what is typed into fields of the form. */

/** Parse an amount in dollars. Return null for an empty text, undefined for no valid amount. */
export function parseDollars(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  // Many write the decimals behind a comma.
  const value = Number(
    text
      .trim()
      .replace(/^\$/, "")
      .replace(/^(\d+),(\d{1,2})$/, "$1.$2"),
  );
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/**
 * Parse a whole number, as `200000` or `200,000`. Return null for an empty text, undefined for no
 * valid number.
 */
export function parseCount(text: string): number | null | undefined {
  const digits = text.replace(/[\s,_]/g, "");
  if (digits === "") return null;
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** Return the lines or words of a field that are not empty; null stays null. */
export function parseEntries(text: string | null, separator: RegExp): readonly string[] | null {
  if (text === null) return null;
  return text
    .split(separator)
    .map((each) => each.trim())
    .filter(Boolean);
}
