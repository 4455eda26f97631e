import { useState } from "react";
import { callApi } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { Link, setQueryValues } from "../app/router";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { showErrorToast, showToast } from "../ui/toast";
import { AddAgentDialog } from "./add-agent-dialog";
import { EndedActions } from "./ended-actions";
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
      <Button icon="search" iconOnly onClick={() => setQueryValues({ find: " " })}>
        Search the transcripts
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
      {view.status !== null && <EndedActions id={id} details={details} />}
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
