import type { FormEvent, KeyboardEvent } from "react";
import type { FileDiff, RunDetails } from "../../api/schema.gen";
import { Button } from "../../ui/button";
import { Chip, type Tone, VariationBadge } from "../../ui/chip";
import { controlClass } from "../../ui/field";
import { visibleLine } from "../../ui/visible-text";
import { type CommentState, commentState, type ReviewComment, sharers } from "./comments";
import styles from "./review.module.css";
import type { Review } from "./use-review";

export interface ReviewContext {
  readonly details: RunDetails;
  readonly diffs: ReadonlyMap<number, readonly FileDiff[]>;
  readonly review: Review;
}

interface Props extends ReviewContext {
  readonly comment: ReviewComment;
}

/** A comment: its editor while it is written, else its text and what became of it. */
export function CommentView(props: Props) {
  return props.comment.isOpen ? <CommentEditor {...props} /> : <WrittenComment {...props} />;
}

function CommentEditor({ comment, review, diffs }: Props) {
  const { id, body, suggestion, toAll, line } = comment;
  const change = (changed: Partial<ReviewComment>) => review.update(id, changed);
  const all = sharers(comment, diffs);
  const isEmpty = body.trim() === "" && suggestion === null;
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (!isEmpty) change({ isOpen: false });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(event);
    if (event.key === "Escape" && isEmpty) review.remove(id);
  };
  return (
    <form className={styles.comment} onSubmit={save} onKeyDown={onKeyDown}>
      <textarea
        ref={focusNew}
        className={controlClass}
        rows={2}
        aria-label={`Comment on line ${line} of ${visibleLine(comment.path)}`}
        value={body}
        onChange={({ target }) => change({ body: target.value })}
      />
      {suggestion !== null && (
        <textarea
          className={`${controlClass} mono`}
          rows={Math.min(8, suggestion.split("\n").length)}
          aria-label="Suggested line"
          spellCheck={false}
          value={suggestion}
          onChange={({ target }) => change({ suggestion: target.value })}
        />
      )}
      <div className={styles.actions}>
        <label>
          <input
            type="checkbox"
            checked={suggestion !== null}
            onChange={({ target }) => change({ suggestion: target.checked ? comment.text : null })}
          />
          Suggest an edit
        </label>
        {all.length > 1 && (
          <label>
            <input
              type="checkbox"
              checked={toAll}
              onChange={({ target }) => change({ toAll: target.checked })}
            />
            {`To all ${all.length} whose diff has this line (${all.join(", ")})`}
          </label>
        )}
        <span className={styles.space} />
        <Button size="s" variant="quiet" onClick={() => review.remove(id)}>
          Discard
        </Button>
        <Button size="s" variant="primary" type="submit" disabled={isEmpty}>
          Add comment
        </Button>
      </div>
    </form>
  );
}

/** Focus the editor of a comment that has just begun; one that was restored takes no focus. */
function focusNew(element: HTMLTextAreaElement | null): void {
  if (element && element.value === "") element.focus({ preventScroll: true });
}

function WrittenComment({ comment, details, diffs, review }: Props) {
  const { id, body, suggestion, toAll, sent, variation } = comment;
  const all = toAll ? sharers(comment, diffs) : [variation];
  return (
    <aside
      className={styles.comment}
      aria-label={`Comment on line ${comment.line} of ${visibleLine(comment.path)}`}
    >
      {body && <p className={styles.body}>{visibleLine(body)}</p>}
      {suggestion !== null && <pre className={styles.suggestion}>{visibleLine(suggestion)}</pre>}
      <div className={styles.actions}>
        {sent === null ? (
          <span className="dim">{`Not sent yet, for ${all.join(", ")}`}</span>
        ) : (
          Object.keys(sent).map((number) => (
            <State
              key={number}
              number={Number(number)}
              comment={comment}
              details={details}
              diffs={diffs}
            />
          ))
        )}
        <span className={styles.space} />
        {sent === null && (
          <Button size="s" variant="quiet" onClick={() => review.update(id, { isOpen: true })}>
            Edit
          </Button>
        )}
        <Button size="s" variant="quiet" onClick={() => review.remove(id)}>
          {sent === null ? "Discard" : "Dismiss"}
        </Button>
      </div>
    </aside>
  );
}

const STATES: Readonly<Record<CommentState, readonly [Tone, string, string]>> = {
  waiting: ["active", "◌", "The agent is at work on it."],
  failed: ["bad", "✗", "The agent's turn did not end with a change."],
  "still there": ["warning", "–", "The line is unchanged in the new change."],
  addressed: ["good", "✓", "The line was changed."],
  outdated: ["neutral", "∅", "The new change no longer has this file."],
};

function State({
  number,
  comment,
  details,
  diffs,
}: Pick<Props, "comment" | "details" | "diffs"> & { number: number }) {
  const variation = details.variations[number - 1];
  if (!variation) return null;
  const state = commentState(comment, variation, diffs.get(number));
  const [tone, glyph, title] = STATES[state];
  return (
    <span className={styles.state} title={title}>
      <VariationBadge number={number} />
      <Chip tone={tone} glyph={glyph}>
        {state}
      </Chip>
    </span>
  );
}
