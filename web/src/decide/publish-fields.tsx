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
  target: PublishTarget = "nothing",
): PublishOptions {
  return { target, branch: defaultBranch(details), draft: false };
}

const TARGET_LABELS: Readonly<Record<PublishTarget, string>> = {
  nothing: "Do not publish yet",
  branch: "Push a branch",
  pull_request: "Push a branch and open a pull request",
};

interface Props {
  readonly details: RunDetails;
  readonly options: PublishOptions;
  readonly onChange: (options: PublishOptions) => void;
  /** Leave out the option of not publishing. */
  readonly required?: boolean;
}

/** Choice of whether and how to publish the winner, with a description of what will happen. */
export function PublishFields({ details, options, onChange, required }: Props) {
  const id = useId();
  const targets = (["nothing", "branch", "pull_request"] as const).filter(
    (target) =>
      !(required && target === "nothing") &&
      !(isLocalRepository(details.spec) && target === "pull_request"),
  );
  return (
    <fieldset className={styles.publishing}>
      <legend>Publish</legend>
      {targets.map((target) => (
        <label key={target} htmlFor={`${id}${target}`}>
          <input
            type="radio"
            id={`${id}${target}`}
            name={`${id}what`}
            checked={options.target === target}
            onChange={() => onChange({ ...options, target })}
          />
          {TARGET_LABELS[target]}
        </label>
      ))}
      {options.target !== "nothing" && (
        <>
          <Field
            label="Branch"
            hint={publishEffect(details, options.branch, options.target === "pull_request")}
          >
            {(control) => (
              <input
                {...control}
                className={`${controlClass} mono`}
                required
                spellCheck={false}
                maxLength={200}
                pattern="aideator/.+"
                title="Must start with aideator/"
                value={options.branch}
                onChange={({ target }) => onChange({ ...options, branch: target.value })}
              />
            )}
          </Field>
          {options.target === "pull_request" && (
            <label>
              <input
                type="checkbox"
                checked={options.draft}
                onChange={({ target }) => onChange({ ...options, draft: target.checked })}
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
export async function publishWinner(run_id: string, options: PublishOptions): Promise<boolean> {
  if (options.target === "nothing") return true;
  try {
    const publication = await callApi("POST /runs/{run_id}/publish", {
      path: { run_id },
      body: {
        branch: options.branch,
        pull_request: options.target === "pull_request",
        draft: options.draft,
      },
    });
    showToast(`Pushed branch ${publication.branch}.`);
    return true;
  } catch (failure) {
    showErrorToast(failure);
    return false;
  }
}
