/** Format numbers, durations and names for display. */

/** Format milliseconds as `8 s`, `1:04`, `2:03:07`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown
    .map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, "0")))
    .join(":");
}

/** Format milliseconds, below 10 s with tenths: `0.4 s`, `12 s`, `3:10`. */
export function formatShortDuration(ms: number): string {
  return ms < 10_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : formatDuration(ms);
}

/**
 * Format dollars, with more decimals for small amounts. Null means that the model's price is
 * unknown.
 */
export function formatCost(usd: number | null | undefined): string {
  if (usd === null) return "price unknown";
  const value = usd ?? 0;
  if (value === 0) return "$0";
  if (value < 0.1) return `$${value.toFixed(4)}`;
  return `$${value.toFixed(value < 10 ? 3 : 2)}`;
}

/** Format a budget in dollars as it was entered. */
export function formatBudget(usd: number): string {
  return `$${Number.isInteger(usd) ? usd : usd.toFixed(2)}`;
}

/** Format a count as `940`, `12.4k`, `3.1M`. */
export function formatCount(value: number): string {
  if (value < 1_000) return String(value);
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 100_000 ? 1 : 0)}k`;
  return `${(value / 1_000_000).toFixed(1)}M`;
}

/** Format a past time as `just now`, `4 min ago`, `3 h ago`, `12 Nov`. */
export function formatAge(then: number, now: number): string {
  const minutes = Math.floor((now - then) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(then).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

/** Format a whole number with a separator between thousands: `13,000`. */
export function formatThousands(value: number): string {
  return value.toLocaleString("en-GB");
}

/** Return a number with its noun: `1 file`, `3,000 files`. */
export function pluralize(number: number, one: string, many = `${one}s`): string {
  return `${formatThousands(number)} ${number === 1 ? one : many}`;
}

/** Return `owner/name`, or the last two folders of a local path. */
export function repositoryName(url: string, folder = ""): string {
  const path = url.replace(/^\w+:\/\/[^/]+/, "").replace(/(\.git)?\/*$/, "");
  const name = path.split("/").filter(Boolean).slice(-2).join("/") || url;
  return folder ? `${name} › ${folder}` : name;
}

/** Return the last eight characters of a run's id, which the command line accepts. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** Format bytes as `940 B`, `12.4 MB`, `3 GB`. */
export function formatBytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let left = value;
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || left >= 100 || Number.isInteger(left) ? 0 : 1;
  return `${left.toFixed(digits)} ${units[unit]}`;
}
