import { useId } from "react";
import { call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { control, Field } from "../ui/field";
import { toast, toastError } from "../ui/toast";
import styles from "./decide.module.css";
import { branchName, effect, isLocal } from "./words";

type What = "nothing" | "branch" | "pull_request";

export interface Plan {
  readonly what: What;
  readonly branch: string;
  readonly draft: boolean;
}

export function planOf(details: RunDetails, what: What = "nothing"): Plan {
  return { what, branch: branchName(details), draft: false };
}

const WHAT: Readonly<Record<What, string>> = {
  nothing: "Nothing yet: keep the decision",
  branch: "Push a branch",
  pull_request: "Push a branch and open a pull request",
};

interface Props {
  readonly details: RunDetails;
  readonly plan: Plan;
  readonly onPlan: (plan: Plan) => void;
  /** Leave out what does nothing. */
  readonly must?: boolean;
}

/** What becomes of the winner, said exactly before it happens. */
export function Publishing({ details, plan, onPlan, must }: Props) {
  const id = useId();
  const open = (["nothing", "branch", "pull_request"] as const).filter(
    (what) => !(must && what === "nothing") && !(isLocal(details.spec) && what === "pull_request"),
  );
  return (
    <fieldset className={styles.publishing}>
      <legend>Then</legend>
      {open.map((what) => (
        <label key={what} htmlFor={`${id}${what}`}>
          <input
            type="radio"
            id={`${id}${what}`}
            name={`${id}what`}
            checked={plan.what === what}
            onChange={() => onPlan({ ...plan, what })}
          />
          {WHAT[what]}
        </label>
      ))}
      {plan.what !== "nothing" && (
        <>
          <Field label="Branch" hint={effect(details, plan.branch, plan.what === "pull_request")}>
            {(wiring) => (
              <input
                {...wiring}
                className={`${control} mono`}
                required
                spellCheck={false}
                maxLength={200}
                pattern="aideator/.+"
                title="It begins with aideator/"
                value={plan.branch}
                onChange={({ target }) => onPlan({ ...plan, branch: target.value })}
              />
            )}
          </Field>
          {plan.what === "pull_request" && (
            <label>
              <input
                type="checkbox"
                checked={plan.draft}
                onChange={({ target }) => onPlan({ ...plan, draft: target.checked })}
              />
              as a draft
            </label>
          )}
        </>
      )}
    </fieldset>
  );
}

/** Carry a plan out. A failure is told where everything is told: the decision stands, and can be published again. */
export async function publish(run_id: string, plan: Plan): Promise<boolean> {
  if (plan.what === "nothing") return true;
  try {
    const made = await call("POST /runs/{run_id}/publish", {
      path: { run_id },
      body: { branch: plan.branch, pull_request: plan.what === "pull_request", draft: plan.draft },
    });
    toast(`Pushed as ${made.branch}.`);
    return true;
  } catch (failure) {
    toastError(failure);
    return false;
  }
}
