/** Review comments on lines of a change, and the follow-up that carries them to the agents. */
import type { FileDiff, Variation } from "../../api/schema.gen";

/** How a line stands to the base in the variation's own diff. */
export type LineKind = "added" | "removed" | "context";

/** A line of one variation's change. */
export interface CommentedLine {
  readonly variation: number;
  readonly path: string;
  readonly line: number;
  readonly kind: LineKind;
  /** The line's text, by which it is found again in the next change. */
  readonly text: string;
}

export interface ReviewComment extends CommentedLine {
  readonly id: string;
  readonly body: string;
  /** The line as the reviewer would write it; null without a suggestion. */
  readonly suggestion: string | null;
  /** Whether it goes to every variation whose diff has the line. */
  readonly toAll: boolean;
  /** Whether it is still being written. */
  readonly isOpen: boolean;
  /** When each recipient's turn ended before the comment was sent, by number; null until then. */
  readonly sent: Readonly<Record<string, string>> | null;
}

export type CommentState =
  | "waiting"
  | "failed"
  /** The line is still part of the change. */
  | "still there"
  /** The line was changed, as suggested or in another way. */
  | "addressed"
  /** The change no longer has the file. */
  | "outdated";

type Diffs = ReadonlyMap<number, readonly FileDiff[]>;

/** Return how a line stands to the base in a diff; null where the diff does not have it. */
export function lineKind(files: readonly FileDiff[], path: string, text: string): LineKind | null {
  const lines = files
    .filter((file) => file.path === path)
    .flatMap((file) => file.hunks)
    .flatMap((hunk) => hunk.lines)
    .filter((line) => line.text === text);
  const kinds = (["added", "removed", "context"] as const).filter((kind) =>
    lines.some((line) => line.kind === kind),
  );
  return kinds[0] ?? null;
}

function hasLine(files: readonly FileDiff[], { path, text, kind }: CommentedLine): boolean {
  return files.some(
    (file) =>
      file.path === path &&
      file.hunks.some((hunk) =>
        hunk.lines.some((line) => line.kind === kind && line.text === text),
      ),
  );
}

/** Return the variations whose diff has the line, that of the comment first. */
export function sharers(line: CommentedLine, diffs: Diffs): readonly number[] {
  const others = [...diffs]
    .filter(([number, files]) => number !== line.variation && hasLine(files, line))
    .map(([number]) => number);
  return [line.variation, ...others];
}

/** Return the variations that get a comment. A composition has no agent and gets none. */
export function recipients(
  comment: ReviewComment,
  diffs: Diffs,
  variations: readonly Variation[],
): readonly number[] {
  const wanted = comment.toAll ? sharers(comment, diffs) : [comment.variation];
  return wanted.filter((number) => variations[number - 1]?.composed.length === 0);
}

/** Return the follow-up that carries comments to one agent. */
export function followUpText(comments: readonly ReviewComment[]): string {
  const one = comments.length === 1;
  const parts = comments.map(({ path, line, text, body, suggestion }) =>
    [
      `${path}, line ${line}:`,
      quote(text),
      ...(body.trim() === "" ? [] : [body.trim()]),
      ...(suggestion === null ? [] : ["Suggested instead:", quote(suggestion)]),
    ].join("\n\n"),
  );
  const opening = one
    ? "A reviewer has commented on a line of your change. Address the comment:"
    : `A reviewer has commented on ${comments.length} lines of your change. Address each comment:`;
  return [opening, ...parts].join("\n\n");
}

/** Quote code; a fence longer than any in the text keeps it apart from the rest. */
function quote(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

/**
 * Return what became of a sent comment in one recipient's next turn. Whether the agent understood it
 * cannot be known: the state says what happened to the line.
 */
export function commentState(
  comment: ReviewComment,
  variation: Variation,
  files: readonly FileDiff[] | undefined,
): CommentState {
  const before = comment.sent?.[variation.number] ?? "";
  const isAtWork = variation.status === "queued" || variation.status === "running";
  if (isAtWork || variation.finished_at === before || !files) return "waiting";
  if (variation.status !== "finished") return "failed";
  if (hasLine(files, comment)) return "still there";
  return files.some((file) => file.path === comment.path) ? "addressed" : "outdated";
}
