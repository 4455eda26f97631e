import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { apiUrl, callApi } from "../api/client";
import type { Publication, RunDetails } from "../api/schema.gen";
import { Link } from "../app/router";
import { FollowUpDialog } from "../run/follow-up-dialog";
import type { RunStream } from "../stream/run-stream";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { showErrorToast, showToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import { ApplyButton } from "./apply-button";
import { CommandLine } from "./command-line";
import styles from "./decide.module.css";
import { checkoutCommands, isLocalRepository } from "./decision-text";
import { defaultPublishOptions, PublishFields, publishWinner } from "./publish-fields";

/** The decision, its publication, and the actions that are possible next. */
export function DecisionPanel({ details, stream }: { details: RunDetails; stream: RunStream }) {
  const { winner, winner_reason, publication } = details;
  if (winner === null) return null;
  return (
    <section className={styles.decision} aria-label="Decision">
      <header>
        <Chip tone="good" glyph="★">
          chosen
        </Chip>
        <VariationBadge number={winner} />
        <p>{winner_reason || <span className="dim">No reason given.</span>}</p>
      </header>
      {publication && <PublicationLine publication={publication} />}
      <ul className={styles.commands}>
        {checkoutCommands(details).map((each) => (
          <CommandLine key={each.command} {...each} />
        ))}
      </ul>
      <div className={styles.actions}>
        {details.imported_at === null && (
          <DecisionActions details={details} winner={winner} stream={stream} />
        )}
        <a
          href={apiUrl("GET /runs/{run_id}/variations/{number}/patch", {
            run_id: details.id,
            number: winner,
          })}
          download
        >
          Download patch
        </a>
        <Link href={`/runs/${details.id}/record`}>Decision record</Link>
      </div>
    </section>
  );
}

interface DecisionActionsProps {
  readonly details: RunDetails;
  readonly winner: number;
  readonly stream: RunStream;
}

/** Actions after a decision: publish, open the pull request, send a follow-up, undo. */
function DecisionActions({ details, winner, stream }: DecisionActionsProps) {
  const [open, setOpen] = useState<"publish" | "prompt" | null>(null);
  const { publication } = details;
  // A composition has no agent that could continue it.
  const hasAgent = details.variations[winner - 1]?.composed.length === 0;
  const lacksPullRequest =
    publication && !publication.pull_request && !isLocalRepository(details.spec);
  return (
    <>
      {!publication && (
        <Button variant="primary" icon="branch" onClick={() => setOpen("publish")}>
          Publish
        </Button>
      )}
      {lacksPullRequest && <OpenPullRequestButton id={details.id} publication={publication} />}
      {isLocalRepository(details.spec) && <ApplyButton details={details} number={winner} />}
      {hasAgent && (
        <Button icon="send" onClick={() => setOpen("prompt")}>
          Prompt the winner
        </Button>
      )}
      {!publication && <UndoButton id={details.id} />}
      {open === "publish" && <PublishDialog details={details} onClose={() => setOpen(null)} />}
      {open === "prompt" && (
        <FollowUpDialog
          runId={details.id}
          numbers={[winner]}
          stream={stream}
          onClose={() => setOpen(null)}
        />
      )}
    </>
  );
}

/**
 * Shown when the branch is published without a pull request: none was wanted, or it was refused.
 */
function OpenPullRequestButton({ id, publication }: { id: string; publication: Publication }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const openPullRequest = async () => {
    setBusy(true);
    await publishWinner(id, { target: "pull_request", branch: publication.branch, draft: false });
    await client.invalidateQueries();
    setBusy(false);
  };
  return (
    <Button variant="primary" icon="branch" busy={busy} onClick={openPullRequest}>
      Open pull request
    </Button>
  );
}

export function PublicationLine({ publication }: { publication: Publication }) {
  const { branch, commit, pull_request, remote, note } = publication;
  return (
    <p className={styles.publication}>
      On branch <code>{visibleLine(branch)}</code> of {visibleLine(remote)} at{" "}
      <code>{commit.slice(0, 12)}</code>
      {pull_request && /^https?:\/\//.test(pull_request) && (
        <>
          {", "}
          <a href={pull_request} target="_blank" rel="noopener noreferrer nofollow">
            pull request at {new URL(pull_request).host}
          </a>
        </>
      )}
      {note && <span className={styles.note}>{visibleLine(note)}</span>}
    </p>
  );
}

function UndoButton({ id }: { id: string }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const undo = async () => {
    setBusy(true);
    try {
      await callApi("POST /runs/{run_id}/deselect", { path: { run_id: id } });
      showToast("Decision undone.");
    } catch (failure) {
      showErrorToast(failure);
    } finally {
      await client.invalidateQueries();
      setBusy(false);
    }
  };
  return (
    <Button variant="quiet" busy={busy} onClick={undo}>
      Undo
    </Button>
  );
}

function PublishDialog({ details, onClose }: { details: RunDetails; onClose: () => void }) {
  const client = useQueryClient();
  const [options, setOptions] = useState(() =>
    defaultPublishOptions(details, isLocalRepository(details.spec) ? "branch" : "pull_request"),
  );
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    if (await publishWinner(details.id, options)) onClose();
    await client.invalidateQueries();
    setBusy(false);
  };
  return (
    <Dialog title="Publish the winner" onClose={onClose} wide>
      <form onSubmit={submit}>
        <PublishFields details={details} options={options} onChange={setOptions} required />
        <Button type="submit" variant="primary" icon="branch" busy={busy}>
          Publish
        </Button>
      </form>
    </Dialog>
  );
}
