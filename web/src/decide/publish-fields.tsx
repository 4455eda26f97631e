import { useId } from "react";
import { callApi } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { controlClass, Field } from "../ui/field";
import { showErrorToast, showToast } from "../ui/toast";
import styles from "./decide.module.css";
import { defaultBranch, isLocalRepository, publishEffect } from "./decision-text";

type PublishTarget = "nothing" | "branch" | "pull_request";

export interface PublishOptions {
  readonly target: PublishTarget;
  readonly branch: string;
  readonly draft: boolean;
}

export function defaultPublishOptions(
  details: RunDetails,
  what: PublishTarget = "nothing",
): PublishOptions {
  return { target: what, branch: defaultBranch(details), draft: false };
}

const TARGET_LABELS: Readonly<Record<PublishTarget, string>> = {
  nothing: "Do not publish yet",
  branch: "Push a branch",
  pull_request: "Push a branch and open a pull request",
};

interface Props {
  readonly details: RunDetails;
  readonly options: PublishOptions;
  readonly onChange: (plan: PublishOptions) => void;
  /** Leave out the option of not publishing. */
  readonly required?: boolean;
}

/** Choice of whether and how to publish the winner, with a description of what will happen. */
export function PublishFields({ details, options: plan, onChange: onPlan, required: must }: Props) {
  const id = useId();
  const open = (["nothing", "branch", "pull_request"] as const).filter(
    (what) =>
      !(must && what === "nothing") &&
      !(isLocalRepository(details.spec) && what === "pull_request"),
  );
  return (
    <fieldset className={styles.publishing}>
      <legend>Publish</legend>
      {open.map((what) => (
        <label key={what} htmlFor={`${id}${what}`}>
          <input
            type="radio"
            id={`${id}${what}`}
            name={`${id}what`}
            checked={plan.target === what}
            onChange={() => onPlan({ ...plan, target: what })}
          />
          {TARGET_LABELS[what]}
        </label>
      ))}
      {plan.target !== "nothing" && (
        <>
          <Field
            label="Branch"
            hint={publishEffect(details, plan.branch, plan.target === "pull_request")}
          >
            {(wiring) => (
              <input
                {...wiring}
                className={`${controlClass} mono`}
                required
                spellCheck={false}
                maxLength={200}
                pattern="aideator/.+"
                title="Must start with aideator/"
                value={plan.branch}
                onChange={({ target }) => onPlan({ ...plan, branch: target.value })}
              />
            )}
          </Field>
          {plan.target === "pull_request" && (
            <label>
              <input
                type="checkbox"
                checked={plan.draft}
                onChange={({ target }) => onPlan({ ...plan, draft: target.checked })}
              />
              Open as a draft
            </label>
          )}
        </>
      )}
    </fieldset>
  );
}

/**
 * Publish the winner. A failure is shown as a toast: the decision stands and can be published
 * again.
 */
export async function publishWinner(run_id: string, plan: PublishOptions): Promise<boolean> {
  if (plan.target === "nothing") return true;
  try {
    const made = await callApi("POST /runs/{run_id}/publish", {
      path: { run_id },
      body: {
        branch: plan.branch,
        pull_request: plan.target === "pull_request",
        draft: plan.draft,
      },
    });
    showToast(`Pushed branch ${made.branch}.`);
    return true;
  } catch (failure) {
    showErrorToast(failure);
    return false;
  }
}
