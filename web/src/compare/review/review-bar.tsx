import { useState } from "react";
import { toError } from "../../api/client";
import { Button } from "../../ui/button";
import { VariationBadge } from "../../ui/chip";
import { pluralize } from "../../ui/format";
import { showToast } from "../../ui/toast";
import { visibleLine } from "../../ui/visible-text";
import { CommentView, type ReviewContext } from "./comment-view";
import styles from "./review.module.css";
import { unsent, unsentByAgent } from "./use-review";

/** All comments of the run, and the button that sends those that are written. */
export function ReviewBar(context: ReviewContext) {
  const { details, diffs, review } = context;
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (review.comments.length === 0) return null;
  const byAgent = unsentByAgent(details, review.comments, diffs);
  const waiting = unsent(review.comments).length;
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      const numbers = await review.send(diffs);
      showToast(`Sent to ${numbers.map((number) => `variation ${number}`).join(", ")}.`);
    } catch (failure) {
      setError(toError(failure).message);
    }
    setBusy(false);
  };
  return (
    <section className={styles.bar} aria-label="Review">
      <details>
        <summary>{pluralize(review.comments.length, "comment")}</summary>
        {review.comments
          .filter((comment) => !comment.isOpen)
          .map((comment) => (
            <div key={comment.id} className={styles.listed}>
              <p className="mono dim clip">
                <VariationBadge number={comment.variation} />{" "}
                {`${visibleLine(comment.path)}:${comment.line}`} {visibleLine(comment.text)}
              </p>
              <CommentView comment={comment} {...context} />
            </div>
          ))}
      </details>
      {error && (
        <p role="alert" className={styles.error}>
          {visibleLine(error)}
        </p>
      )}
      {waiting > 0 && details.imported_at === null && (
        <Button variant="primary" icon="send" busy={busy} onClick={send}>
          {`Send ${pluralize(waiting, "comment")} to ${[...byAgent.keys()].join(", ")}`}
        </Button>
      )}
    </section>
  );
}
