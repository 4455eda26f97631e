import { type FormEvent, useState } from "react";
import { asError, call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { useGet } from "../app/query";
import { newSeat, toSeat } from "../home/draft";
import { Missing, Seat } from "../home/seat";
import type { RunStream } from "../stream/stream";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Refusal } from "../ui/states";
import { toast } from "../ui/toast";

interface Props {
  readonly run: RunDetails;
  readonly stream: RunStream;
  /** The demo: its model is there, whatever keys are missing. */
  readonly isScripted: boolean;
  readonly onClose: () => void;
}

/** One agent more, on the same prompt and commit as the others. It begins like the last one that was asked. */
export function SeatDialog({ run, stream, isScripted, onClose }: Props) {
  const [seat, setSeat] = useState(() =>
    newSeat(run.variations.findLast((each) => each.composed.length === 0)?.seat),
  );
  const [refused, setRefused] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const agents = useGet("GET /agents", {}, { staleTime: 60_000 }).data ?? [];

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await call("POST /runs/{run_id}/variations", {
        path: { run_id: run.id },
        body: toSeat(seat),
      });
      stream.resume();
      toast("One agent more sets to work.");
      onClose();
    } catch (error) {
      setRefused(asError(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title="Add an agent" onClose={onClose} wide>
      <form onSubmit={submit}>
        <p className="dim">
          It gets the run's prompt, commit and checks, and is compared with the others.
        </p>
        <Seat
          number={run.variations.length + 1}
          seat={seat}
          agents={agents}
          onChange={(changed) => setSeat({ ...seat, ...changed })}
        />
        {!isScripted && <Missing seats={[seat]} agents={agents} />}
        {refused && <Refusal error={refused} />}
        <Button type="submit" look="primary" icon="plus" busy={busy}>
          Add
        </Button>
      </form>
    </Dialog>
  );
}
