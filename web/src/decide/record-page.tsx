import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import type { PatchStats, RunDetails, Variation } from "../api/schema.gen";
import { redirectToLogin, useGet } from "../app/api-query";
import { useDocumentTitle } from "../app/document-title";
import { Link, type PathParams } from "../app/router";
import { rankedNumbers } from "../compare/columns";
import { composedFrom, missingReason, variationDuration } from "../compare/variation-facts";
import { totalTokens } from "../run/variation-labels";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { formatCost, formatCount, formatDuration, pluralize } from "../ui/format";
import { agentLabel, CONFIDENCE_CHIPS } from "../ui/labels";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { Prose } from "../ui/prose";
import { ScrollRegion } from "../ui/scroll-region";
import { visibleLine } from "../ui/visible-text";
import { PublicationLine } from "./decision-panel";
import styles from "./record-page.module.css";

/**
 * Decision record on one page, to be linked, printed and archived: the task, the evidence, the
 * decision and its reason.
 */
export function RecordPage({ params }: { params: PathParams }) {
  const details = useGet(
    "GET /runs/{run_id}",
    { path: { run_id: params.id ?? "" } },
    { retry: false },
  );
  if (details.isPending) return <LoadingSkeleton />;
  if (details.isError) {
    redirectToLogin(details.error);
    if (details.error instanceof ApiError && details.error.status === 404)
      return <EmptyState title="Run not found" />;
    return <LoadError error={details.error} retry={() => void details.refetch()} />;
  }
  return <Record details={details.data} />;
}

function Record({ details }: { details: RunDetails }) {
  const { spec, winner, publication } = details;
  useDocumentTitle(`Decision record: ${visibleLine(spec.prompt)}`);
  return (
    <article className={styles.record}>
      <header>
        <p className={styles.topLine}>
          <Link href={`/runs/${details.id}/compare`}>Back to comparison</Link>
          <span className={styles.spacer} />
          <Button size="s" onClick={() => print()}>
            Print
          </Button>
        </p>
        <h1>{winner === null ? "Not decided yet" : "Decision record"}</h1>
        <p className="dim">
          Run <span className="mono">{details.id}</span>, {date(details.created_at)}
        </p>
      </header>
      <RecordSection title="Task">
        <blockquote>{spec.prompt}</blockquote>
        <dl className={styles.facts}>
          <Fact name="Repository">{visibleLine(spec.repo_url ?? "")}</Fact>
          {spec.path && <Fact name="Folder">{visibleLine(spec.path)}</Fact>}
          <Fact name="Commit">
            <code>{details.commit ?? "not fetched"}</code>
            {spec.ref && ` (${visibleLine(spec.ref)})`}
          </Fact>
          <Fact name="Checks">
            {details.checks.length === 0
              ? "none"
              : details.checks.map((check) => <CheckCommand key={check.command} {...check} />)}
          </Fact>
        </dl>
      </RecordSection>
      <RecordSection title="Evidence">
        <EvidenceList details={details} />
        <VariationTable details={details} />
      </RecordSection>
      <RecordSection title="Decision">
        {winner === null ? (
          <p>No winner has been chosen yet.</p>
        ) : (
          <p className={styles.reason}>
            <VariationBadge number={winner} /> {details.winner_reason || "No reason given."}
          </p>
        )}
        {details.reused_from && (
          <p>{`Decision reused from run ${visibleLine(details.reused_from)}.`}</p>
        )}
      </RecordSection>
      <RecordSection title="Publication">
        {publication ? <PublicationLine publication={publication} /> : <p>Not published.</p>}
      </RecordSection>
    </article>
  );
}

function date(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
}

function RecordSection({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function CheckCommand({ name, command }: { name?: string; command: string }) {
  return (
    <span className={styles.command}>
      {name && `${visibleLine(name)}: `}
      <code>{visibleLine(command)}</code>
    </span>
  );
}

function EvidenceList({ details: { ranking, evidence } }: { details: RunDetails }) {
  if (!ranking) return <p>The variations were not compared.</p>;
  const [tone, glyph, label] = CONFIDENCE_CHIPS[ranking.confidence];
  return (
    <>
      <p className={styles.reason}>
        {ranking.recommended === null ? (
          <strong>No recommendation</strong>
        ) : (
          <>
            <strong>Recommended:</strong> <VariationBadge number={ranking.recommended} />
          </>
        )}{" "}
        <Chip tone={tone} glyph={glyph}>
          {label}
        </Chip>
      </p>
      <ul className={styles.reasons}>
        {ranking.reasons.map((reason) => (
          <li key={reason}>
            <Prose>{reason}</Prose>
          </li>
        ))}
        {ranking.rule && <li className="dim">{visibleLine(ranking.rule)}</li>}
        {evidence?.notes?.map((note) => (
          <li key={note}>{visibleLine(note)}</li>
        ))}
      </ul>
    </>
  );
}

function VariationTable({ details }: { details: RunDetails }) {
  const shown = rankedNumbers(details).flatMap((number) => details.variations[number - 1] ?? []);
  return (
    <ScrollRegion label="Variations: table">
      <table className={styles.table}>
        <thead>
          <tr>
            {["Variation", "Checks", "Change", "Time", "Tokens", "Cost"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((variation) => (
            <VariationRow key={variation.number} variation={variation} />
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function VariationRow({ variation }: { variation: Variation }) {
  const { number, spec, verdict, cleared } = variation;
  const sources = composedFrom(variation);
  const duration = variationDuration(variation);
  const empty = missingReason(variation);
  return (
    <tr>
      <th scope="row">
        <VariationBadge number={number} /> {sources ? `composed from ${sources}` : agentLabel(spec)}
      </th>
      <td>
        {empty ??
          verdict?.checks?.map((check) => (
            <span key={check.check} className={styles.command}>
              {visibleLine(check.check)}: {check.change.replace("_", " ")}
            </span>
          ))}
        {(verdict?.flags ?? []).map((flag) => (
          <span key={flag.kind + flag.path + flag.hunk} className={styles.command}>
            ⚑ {visibleLine(flag.message)}
          </span>
        ))}
        {cleared !== null && (
          <span className={styles.command}>Flags cleared: {visibleLine(cleared)}</span>
        )}
      </td>
      <td className="num">{verdict && patchText(verdict.patch)}</td>
      <td className="num">{duration === null ? "" : formatDuration(duration)}</td>
      <td className="num">{formatCount(totalTokens(variation.usage))}</td>
      <td className="num">{formatCost(variation.usage.cost_usd)}</td>
    </tr>
  );
}

function patchText({ files = 0, additions = 0, deletions = 0 }: PatchStats): string {
  return `${pluralize(files, "file")} +${additions} −${deletions}`;
}
