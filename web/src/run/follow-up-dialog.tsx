import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import type { RunStream } from "../stream/run-stream";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { pluralize } from "../ui/format";
import { ErrorText } from "../ui/page-states";
import { useStoredText } from "../ui/stored-draft";
import { showToast } from "../ui/toast";

const MIN_PROMPT_LENGTH = 3;

interface Props {
  readonly runId: string;
  /** One variation, or every variation that has ended. */
  readonly numbers: readonly number[];
  readonly stream: RunStream;
  readonly onClose: () => void;
}

/** Dialog that sends a follow-up to variations. Each continues from its own change. */
export function FollowUpDialog({ runId, numbers, stream, onClose }: Props) {
  const [stored, setText, forget] = useStoredText(`follow-up:${runId}:${numbers.join()}`);
  const text = stored ?? "";
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const recipients =
    numbers.length === 1 ? `variation ${numbers[0]}` : pluralize(numbers.length, "variation");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await sendFollowUp(runId, numbers, text);
      forget();
      stream.resume();
      showToast(`Sent the follow-up to ${recipients}.`);
      onClose();
    } catch (failure) {
      setError(toError(failure));
      setBusy(false);
    }
  };

  return (
    <Dialog title={`Prompt ${recipients}`} onClose={onClose}>
      <form onSubmit={submit}>
        <Field
          label="Follow-up"
          error={error && <ErrorText error={error} />}
          hint="The agent continues from its own change, and in the same session if it kept one."
        >
          {(control) => (
            <textarea
              {...control}
              className={controlClass}
              rows={5}
              dir="auto"
              required
              minLength={MIN_PROMPT_LENGTH}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" variant="primary" icon="send" busy={busy}>
          Send
        </Button>
      </form>
    </Dialog>
  );
}

/** One call serves all variations: the server sends the follow-up to every one that has ended. */
function sendFollowUp(runId: string, numbers: readonly number[], prompt: string) {
  const [number] = numbers;
  return numbers.length === 1 && number !== undefined
    ? callApi("POST /runs/{run_id}/variations/{number}/prompt", {
        path: { run_id: runId, number },
        body: { prompt },
      })
    : callApi("POST /runs/{run_id}/prompt", { path: { run_id: runId }, body: { prompt } });
}
