import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { AppliedChange, RunDetails } from "../api/schema.gen";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { shortId } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import { CommandLine } from "./command-line";
import styles from "./decide.module.css";

/** Button that brings a change into the local repository, as a branch or into the work tree. */
export function ApplyButton({ details, number }: { details: RunDetails; number: number }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button icon="branch" onClick={() => setOpen(true)}>
        Apply
      </Button>
      {open && <ApplyDialog details={details} number={number} onClose={() => setOpen(false)} />}
    </>
  );
}

interface Props {
  readonly details: RunDetails;
  readonly number: number;
  readonly onClose: () => void;
}

function ApplyDialog({ details, number, onClose }: Props) {
  const [branch, setBranch] = useState(`aideator/${shortId(details.id)}-${number}`);
  const [switches, setSwitches] = useState(false);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [applied, setApplied] = useState<AppliedChange | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const path = { run_id: details.id, number };
      setApplied(
        await callApi("POST /runs/{run_id}/variations/{number}/apply", {
          path,
          body: { branch, switch: switches },
        }),
      );
    } catch (failure) {
      setError(toError(failure).message);
    }
    setBusy(false);
  };
  return (
    <Dialog title={`Apply variation ${number}`} onClose={onClose} wide>
      {applied ? (
        <Applied applied={applied} />
      ) : (
        <form onSubmit={submit}>
          <fieldset className={styles.publishing}>
            <legend>{`In ${visibleLine(details.spec.repo_url ?? "")}`}</legend>
            <Target
              label="Make the branch; HEAD and files stay as they are"
              isChosen={!switches}
              onChoose={() => setSwitches(false)}
            />
            <Target
              label="Make the branch and switch the work tree to it; it must be clean"
              isChosen={switches}
              onChoose={() => setSwitches(true)}
            />
            <Field label="Branch" error={error} hint="The hooks of the checkout do not run.">
              {(control) => (
                <input
                  {...control}
                  className={`${controlClass} mono`}
                  required
                  spellCheck={false}
                  maxLength={200}
                  value={branch}
                  onChange={({ target }) => setBranch(target.value)}
                />
              )}
            </Field>
          </fieldset>
          <Button type="submit" variant="primary" icon="branch" busy={busy}>
            Apply
          </Button>
        </form>
      )}
    </Dialog>
  );
}

function Target({
  label,
  isChosen,
  onChoose,
}: {
  label: string;
  isChosen: boolean;
  onChoose: () => void;
}) {
  return (
    <label>
      <input type="radio" name="apply-target" checked={isChosen} onChange={onChoose} />
      {label}
    </label>
  );
}

/** Where the change is now, and the command that goes there or back. */
function Applied({ applied }: { applied: AppliedChange }) {
  const { branch, commit, is_new, left, checkout } = applied;
  const here = `git -C ${quoteShell(checkout)} switch`;
  return (
    <>
      <p role="status">
        {`Branch ${visibleLine(branch)} ${is_new ? "has" : "had already"} the change, commit ${commit.slice(0, 12)}.`}
        {left !== null && ` The work tree is on it now.`}
      </p>
      <ul className={styles.commands}>
        <CommandLine
          label={left === null ? "Switch to it" : "Go back"}
          command={`${here} ${quoteShell(left ?? branch)}`}
        />
      </ul>
    </>
  );
}

function quoteShell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}
