import { type FormEvent, useState } from "react";
import { asError, call } from "../api/client";
import type { RunStream } from "../stream/stream";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { control, Field } from "../ui/field";
import { plural } from "../ui/format";
import { toast } from "../ui/toast";

const LEAST = 10;

interface Props {
  readonly runId: string;
  /** Whom to ask: one variation, or every settled one. */
  readonly lanes: readonly number[];
  readonly stream: RunStream;
  readonly onClose: () => void;
}

/** A follow-up turn on the variations' own trees. */
export function PromptDialog({ runId, lanes, stream, onClose }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const whom = lanes.length === 1 ? `variation ${lanes[0]}` : plural(lanes.length, "variation");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ask(runId, lanes, text);
      stream.resume();
      toast(`Asked ${whom}.`);
      onClose();
    } catch (failure) {
      setError(asError(failure).message);
      setBusy(false);
    }
  };

  return (
    <Dialog title={`Ask ${whom} to go on`} onClose={onClose}>
      <form onSubmit={submit}>
        <Field
          label="What shall it do next?"
          error={error}
          hint="It goes on from its own change, and with its session where the agent kept one."
        >
          {(wiring) => (
            <textarea
              {...wiring}
              className={control}
              rows={5}
              required
              minLength={LEAST}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" look="primary" icon="send" busy={busy}>
          Ask
        </Button>
      </form>
    </Dialog>
  );
}

/** Several are asked in one call, which the server answers for all that have settled. */
function ask(runId: string, lanes: readonly number[], prompt: string) {
  const [number] = lanes;
  return lanes.length === 1 && number !== undefined
    ? call("POST /runs/{run_id}/variations/{number}/prompt", {
        path: { run_id: runId, number },
        body: { prompt },
      })
    : call("POST /runs/{run_id}/prompt", { path: { run_id: runId }, body: { prompt } });
}
