/**
 * Icons on a grid of 16 pixels. Each has a text beside it or an accessible name: none carries
 * meaning alone.
 */
const PATHS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.5 3.5L13 4.5",
  stop: "M4.5 4.5h7v7h-7z",
  send: "M3 8h9M8.5 4.5L12 8l-3.5 3.5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5L14 14",
  play: "M5 3.5v9l7-4.5z",
  pause: "M5 3.5v9M11 3.5v9",
  expand: "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5l-4.5 4.5M2.5 13.5L7 9",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  timeline: "M2.5 4h6M5.5 8h8M3.5 12h5",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
  chevron: "M6 3.5L10.5 8 6 12.5",
  sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.500z",
  system: "M2.5 3.500h11v7.500h-11zM6 13.500h4",
  help: "M6 6.200a2 2 0 1 1 2.9 1.800c-.6.3-.9.7-.9 1.300M8 11.800v.2M8 14.500a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
  branch:
    "M5 4.500v7M5 4.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM5 14.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11 6.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11 6.500c0 3-6 2-6 5",
  terminal: "M3 4.500l3.5 3.500L3 11.500M8.5 12h4.5",
  window: "M2.500 3.500h11v9h-11zM2.500 6.500h11",
  reload: "M13 8a5 5 0 1 1-1.500-3.600M13 2.500v3h-3",
  pencil: "M3 13l.7-3L11 2.700l2.300 2.300L6 12.300z",
  archive: "M2.500 3h11v3h-11zM3.500 6v7h9V6M6.500 9h3",
  trash: "M3 4.500h10M6 4.500v-2h4v2M4.500 4.500l.5 9h6l.5-9",
  bell: "M4 11.500h8l-1-1.500V7a3 3 0 0 0-6 0v3zM7 13.500h2",
  logout: "M6.500 2.500h-4v11h4M6.500 8h7M10.500 5l3 3-3 3",
  copy: "M5.5 5.500h8v8h-8zM3.5 10.500h-1v-8h8v1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      className="icon"
      width="16"
      height="16"
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
    >
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
