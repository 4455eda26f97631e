import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { AgentFields, MissingRequirements } from "../home/agent-fields";
import { newAgentDraft, toAgentSpec } from "../home/run-draft";
import type { RunStream } from "../stream/run-stream";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { ErrorNotice } from "../ui/page-states";
import { showToast } from "../ui/toast";

interface Props {
  readonly run: RunDetails;
  readonly stream: RunStream;
  /** The run is the demo, whose model needs no key. */
  readonly isScripted: boolean;
  readonly onClose: () => void;
}

/**
 * Add an agent to the run, with the same prompt, commit and checks. Its fields start as a copy of
 * the last agent's.
 */
export function AddAgentDialog({ run, stream, isScripted, onClose }: Props) {
  const [agent, setAgent] = useState(() =>
    newAgentDraft(run.variations.findLast((each) => each.composed.length === 0)?.spec),
  );
  const [refused, setRefused] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const catalog = useGet("GET /agents", {}, { staleTime: 60_000 }).data ?? [];

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await callApi("POST /runs/{run_id}/variations", {
        path: { run_id: run.id },
        body: toAgentSpec(agent),
      });
      stream.resume();
      showToast("Added an agent.");
      onClose();
    } catch (error) {
      setRefused(toError(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title="Add an agent" onClose={onClose} wide>
      <form onSubmit={submit}>
        <p className="dim">
          The agent gets the same prompt, commit and checks, and is compared with the others.
        </p>
        <AgentFields
          number={run.variations.length + 1}
          agent={agent}
          catalog={catalog}
          onChange={(changed) => setAgent({ ...agent, ...changed })}
        />
        {!isScripted && <MissingRequirements lineup={[agent]} catalog={catalog} />}
        {refused && <ErrorNotice error={refused} />}
        <Button type="submit" variant="primary" icon="plus" busy={busy}>
          Add agent
        </Button>
      </form>
    </Dialog>
  );
}
