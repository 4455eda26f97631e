/** Adding files and hunks of a diff to a composition. Null where that is impossible: between two variations. */
export interface DiffSelection {
  /** Whether a hunk was added; null asks for the whole file. */
  readonly isSelected: (path: string, hunk: number | null) => boolean;
  readonly toggle: (path: string, hunk: number | null) => void;
}
