import { useState } from "react";
import { callApi } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { queryClient } from "../app/api-query";
import { Link, navigate } from "../app/router";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { showErrorToast, showToast } from "../ui/toast";
import { AddAgentDialog } from "./add-agent-dialog";
import { FollowUpDialog } from "./follow-up-dialog";
import styles from "./run-header.module.css";
import { hasEnded } from "./variation-labels";

interface Props {
  readonly id: string;
  readonly stream: RunStream;
  readonly view: RunView;
  readonly details: RunDetails | undefined;
  readonly isScripted: boolean;
  readonly onTimeline: () => void;
}

/** Repeat a run that has ended, or delete it. */
function EndedActions({ id }: { id: string }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button icon="reload" iconOnly onClick={() => navigate(`/?from=${id}`)}>
        Run again with these settings
      </Button>
      <Button icon="trash" iconOnly onClick={() => setAsking(true)}>
        Delete the run
      </Button>
      {asking && <DeleteDialog id={id} onClose={() => setAsking(false)} />}
    </>
  );
}

function DeleteDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
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
        Its log, its changes, its results and the agents&apos; sessions are deleted for good. What
        was published stays, and so do runs that were answered by its winner.
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

interface StopProps {
  readonly id: string;
  readonly label: string;
  readonly said: string;
}

/** Stop every variation, after a confirmation: nothing but a new prompt would undo it. */
function StopButton(props: StopProps) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button variant="danger" icon="stop" onClick={() => setAsking(true)}>
        {props.label}
      </Button>
      {asking && (
        <Dialog title="Stop all variations?" onClose={() => setAsking(false)}>
          <p>What they have done is kept. A stopped variation continues only with a new prompt.</p>
          <div className={styles.confirm}>
            <Button onClick={() => setAsking(false)}>Keep running</Button>
            <ConfirmStop {...props} label="Stop" onDone={() => setAsking(false)} />
          </div>
        </Dialog>
      )}
    </>
  );
}

function ConfirmStop({ id, label, said, onDone }: StopProps & { onDone?: () => void }) {
  const [busy, setBusy] = useState(false);
  const stop = async () => {
    setBusy(true);
    try {
      await callApi("POST /runs/{run_id}/cancel", { path: { run_id: id } });
      showToast(said);
    } catch (error) {
      showErrorToast(error);
    } finally {
      setBusy(false);
      onDone?.();
    }
  };
  return (
    <Button variant="danger" icon="stop" busy={busy} onClick={stop}>
      {label}
    </Button>
  );
}

/** A run that a crash cut off costs nothing until a person takes it up again. */
function InterruptedActions({ id, stream }: { id: string; stream: RunStream }) {
  const resume = async () => {
    try {
      await callApi("POST /runs/{run_id}/resume", { path: { run_id: id } });
      stream.resume();
    } catch (error) {
      showErrorToast(error);
    }
  };
  return (
    <div className={styles.actions}>
      <span>Interrupted: the server ended.</span>
      <Button icon="send" onClick={resume}>
        Resume
      </Button>
      <ConfirmStop id={id} label="Cancel" said="The run is cancelled. Its work is kept." />
    </div>
  );
}

/** What a person can do with the run as it is now. */
export function RunActions({ id, stream, view, details, isScripted, onTimeline }: Props) {
  const [dialog, setDialog] = useState<"prompt" | "agent">();
  const close = () => setDialog(undefined);
  const settled = view.variations.filter(hasEnded);
  if (view.status === "interrupted") return <InterruptedActions id={id} stream={stream} />;
  return (
    <div className={styles.actions}>
      <Button icon="timeline" iconOnly onClick={onTimeline}>
        Timeline
      </Button>
      {settled.length >= 2 && (
        <Link href={`/runs/${id}/compare`} className={styles.compare}>
          Compare
        </Link>
      )}
      {settled.length > 0 && (
        <Button icon="send" onClick={() => setDialog("prompt")}>
          Prompt all
        </Button>
      )}
      <Button icon="plus" onClick={() => setDialog("agent")}>
        Add agent
      </Button>
      {view.status !== null && <EndedActions id={id} />}
      {view.status === null && (
        <StopButton id={id} label="Stop all" said="Stopping all variations. Their work is kept." />
      )}
      {dialog === "prompt" && (
        <FollowUpDialog
          runId={id}
          numbers={settled.map((variation) => variation.number)}
          stream={stream}
          onClose={close}
        />
      )}
      {dialog === "agent" && details && (
        <AddAgentDialog run={details} stream={stream} isScripted={isScripted} onClose={close} />
      )}
    </div>
  );
}
