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
