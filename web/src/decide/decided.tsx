import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { address, call } from "../api/client";
import type { Publication, RunDetails } from "../api/schema.gen";
import { Link } from "../app/router";
import { PromptDialog } from "../run/prompt-dialog";
import type { RunStream } from "../stream/stream";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { line, plain } from "../ui/plain";
import { toast, toastError } from "../ui/toast";
import styles from "./decide.module.css";
import { Publishing, planOf, publish } from "./publishing";
import { commands, isLocal } from "./words";

/** What was decided, what became of it, and the ways on from here. */
export function Decided({ details, stream }: { details: RunDetails; stream: RunStream }) {
  const { winner, winner_reason, publication } = details;
  if (winner === null) return null;
  return (
    <section className={styles.decided} aria-label="Decision">
      <header>
        <Chip tone="good" glyph="★">
          chosen
        </Chip>
        <LaneMark number={winner} />
        <p>
          {winner_reason ? plain(winner_reason) : <span className="dim">No reason was given.</span>}
        </p>
      </header>
      {publication && <Where publication={publication} />}
      <ul className={styles.commands}>
        {commands(details).map((each) => (
          <Command key={each.command} {...each} />
        ))}
      </ul>
      <div className={styles.actions}>
        {details.imported_at === null && <Ways details={details} winner={winner} stream={stream} />}
        <a
          href={address("GET /runs/{run_id}/variations/{number}/patch", {
            run_id: details.id,
            number: winner,
          })}
          download
        >
          Patch
        </a>
        <Link href={`/runs/${details.id}/record`}>Record of the decision</Link>
      </div>
    </section>
  );
}

interface WaysProps {
  readonly details: RunDetails;
  readonly winner: number;
  readonly stream: RunStream;
}

/** What can still be done: publish, complete a publication, go on, take it back. */
function Ways({ details, winner, stream }: WaysProps) {
  const [open, setOpen] = useState<"publish" | "prompt" | null>(null);
  const { publication } = details;
  // No agent wrote a composed one, so none could go on with it.
  const hasAgent = details.variations[winner - 1]?.composed.length === 0;
  const lacksProposal = publication && !publication.pull_request && !isLocal(details.spec);
  return (
    <>
      {!publication && (
        <Button look="primary" icon="branch" onClick={() => setOpen("publish")}>
          Publish
        </Button>
      )}
      {lacksProposal && <Propose id={details.id} publication={publication} />}
      {hasAgent && (
        <Button icon="send" onClick={() => setOpen("prompt")}>
          Ask the winner for more
        </Button>
      )}
      {!publication && <Undo id={details.id} />}
      {open === "publish" && <PublishDialog details={details} onClose={() => setOpen(null)} />}
      {open === "prompt" && (
        <PromptDialog
          runId={details.id}
          lanes={[winner]}
          stream={stream}
          onClose={() => setOpen(null)}
        />
      )}
    </>
  );
}

/** The branch is there; the pull request was not wanted then, or was refused. */
function Propose({ id, publication }: { id: string; publication: Publication }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const propose = async () => {
    setBusy(true);
    await publish(id, { what: "pull_request", branch: publication.branch, draft: false });
    await client.invalidateQueries();
    setBusy(false);
  };
  return (
    <Button look="primary" icon="branch" busy={busy} onClick={propose}>
      Open the pull request
    </Button>
  );
}

export function Where({ publication }: { publication: Publication }) {
  const { branch, commit, pull_request, remote, note } = publication;
  return (
    <p className={styles.where}>
      On branch <code>{line(branch)}</code> of {line(remote)} at <code>{commit.slice(0, 12)}</code>
      {pull_request && /^https?:\/\//.test(pull_request) && (
        <>
          {", "}
          <a href={pull_request} target="_blank" rel="noopener noreferrer nofollow">
            pull request at {new URL(pull_request).host}
          </a>
        </>
      )}
      {note && <span className={styles.note}>{line(note)}</span>}
    </p>
  );
}

function Command({ label, command }: { label: string; command: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      toast("Copied.");
    } catch {
      toast("The browser does not let this page copy; select the text instead.", { tone: "bad" });
    }
  };
  return (
    <li>
      <span className="dim">{label}</span>
      <code>{command}</code>
      <Button look="quiet" size="s" icon="copy" bare onClick={copy}>
        {`Copy: ${label}`}
      </Button>
    </li>
  );
}

function Undo({ id }: { id: string }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const undo = async () => {
    setBusy(true);
    try {
      await call("POST /runs/{run_id}/deselect", { path: { run_id: id } });
      toast("The decision is taken back.");
    } catch (failure) {
      toastError(failure);
    } finally {
      await client.invalidateQueries();
      setBusy(false);
    }
  };
  return (
    <Button look="quiet" busy={busy} onClick={undo}>
      Undo
    </Button>
  );
}

function PublishDialog({ details, onClose }: { details: RunDetails; onClose: () => void }) {
  const client = useQueryClient();
  const [plan, setPlan] = useState(() =>
    planOf(details, isLocal(details.spec) ? "branch" : "pull_request"),
  );
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    if (await publish(details.id, plan)) onClose();
    await client.invalidateQueries();
    setBusy(false);
  };
  return (
    <Dialog title="Publish the winner" onClose={onClose} wide>
      <form onSubmit={submit}>
        <Publishing details={details} plan={plan} onPlan={setPlan} must />
        <Button type="submit" look="primary" icon="branch" busy={busy}>
          Publish
        </Button>
      </form>
    </Dialog>
  );
}
