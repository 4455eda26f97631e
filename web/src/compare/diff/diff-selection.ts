/** Selection of files and hunks for a composition. Only a diff against the base has one. */
export interface DiffSelection {
  /** Whether a hunk is selected; null asks for the whole file. */
  readonly isSelected: (path: string, hunk: number | null) => boolean;
  readonly toggle: (path: string, hunk: number | null) => void;
}
