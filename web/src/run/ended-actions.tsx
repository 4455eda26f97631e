import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { Labels, RunDetails } from "../api/schema.gen";
import { queryClient, useGet } from "../app/api-query";
import { navigate } from "../app/router";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { pluralize } from "../ui/format";
import { ErrorText } from "../ui/page-states";
import { showErrorToast, showToast } from "../ui/toast";
import styles from "./run-header.module.css";

/** Repeat a run that has ended, name it, put it away, or delete it. */
export function EndedActions({ id, details }: { id: string; details: RunDetails | undefined }) {
  const [asking, setAsking] = useState(false);
  const [naming, setNaming] = useState(false);
  const isArchived = details?.archived_at != null;
  const archive = async () => {
    try {
      await setLabels(id, { archived: !isArchived });
      showToast(isArchived ? "The run is in the list again." : "The run is in the archive.");
    } catch (error) {
      showErrorToast(error);
    }
  };
  return (
    <>
      <Button icon="pencil" iconOnly onClick={() => setNaming(true)}>
        Rename the run
      </Button>
      <Button icon="archive" iconOnly aria-pressed={isArchived} onClick={() => void archive()}>
        {isArchived ? "Take the run out of the archive" : "Archive the run"}
      </Button>
      <Button icon="reload" iconOnly onClick={() => navigate(`/?from=${id}`)}>
        Run again with these settings
      </Button>
      <Button icon="trash" iconOnly onClick={() => setAsking(true)}>
        Delete the run
      </Button>
      {naming && details && <RenameDialog details={details} onClose={() => setNaming(false)} />}
      {asking && <DeleteDialog id={id} onClose={() => setAsking(false)} />}
    </>
  );
}

async function setLabels(id: string, body: Labels): Promise<void> {
  await callApi("POST /runs/{run_id}/labels", { path: { run_id: id }, body });
  await queryClient.invalidateQueries();
}

function RenameDialog({ details, onClose }: { details: RunDetails; onClose: () => void }) {
  const [title, setTitle] = useState(details.title);
  const [error, setError] = useState<Error>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await setLabels(details.id, { title });
      onClose();
    } catch (failure) {
      setError(toError(failure));
    }
  };
  return (
    <Dialog title="Rename the run" onClose={onClose}>
      <form onSubmit={submit}>
        <Field
          label="Name"
          error={error && <ErrorText error={error} />}
          hint="Without a name, the first line of the prompt is shown."
        >
          {(control) => (
            <input
              {...control}
              className={controlClass}
              dir="auto"
              maxLength={200}
              value={title}
              onChange={({ target }) => setTitle(target.value)}
            />
          )}
        </Field>
        <Button type="submit" variant="primary" icon="check">
          Save
        </Button>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const events = useGet("GET /runs/{run_id}/events", {
    path: { run_id: id },
    query: { limit: 1 },
  });
  const remove = async () => {
    setBusy(true);
    try {
      await callApi("DELETE /runs/{run_id}", { path: { run_id: id } });
      void queryClient.invalidateQueries();
      showToast("The run is deleted.");
      navigate("/");
    } catch (error) {
      showErrorToast(error);
      setBusy(false);
    }
  };
  return (
    <Dialog title="Delete this run?" onClose={onClose}>
      <p>
        {`Its log${events.data ? ` of ${pluralize(events.data.last, "event")}` : ""}, its changes, its results and the agents' sessions are deleted for good. What was published stays, and so do runs that were answered by its winner.`}
      </p>
      <div className={styles.confirm}>
        <Button onClick={onClose}>Keep</Button>
        <Button variant="danger" icon="trash" busy={busy} onClick={remove}>
          Delete
        </Button>
      </div>
    </Dialog>
  );
}
