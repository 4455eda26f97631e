import { useMemo, useState } from "react";
import { ApiError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { redirectToLogin } from "../app/api-query";
import { useDocumentTitle } from "../app/document-title";
import { useKeyCommands } from "../app/key-commands";
import { Link, navigate, type PathParams, useQueryValue } from "../app/router";
import { ChooseDialog } from "../decide/choose-dialog";
import { ClearDialog } from "../decide/clear-dialog";
import { DecisionPanel } from "../decide/decision-panel";
import type { RunStream } from "../stream/run-stream";
import { useRunDetails } from "../stream/use-run-details";
import { VariationBadge } from "../ui/chip";
import { repositoryName, shortId } from "../ui/format";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import { CostChart, TimeChart } from "./charts";
import { CodeSection } from "./code-section";
import { buildColumns, type Column, rankedNumbers } from "./columns";
import { commonChanges } from "./common-changes";
import { CompareBar } from "./compare-bar";
import styles from "./compare-page.module.css";
import { ComposerBar } from "./composer-bar";
import { crossTestRows } from "./cross-test-rows";
import { differingTests, fileDifferences } from "./differences";
import { checkSections } from "./matrix-rows";
import { RecommendationPanel } from "./recommendation-panel";
import { TestMatrix } from "./test-matrix";
import { bestTwo } from "./tie";
import { useComposition } from "./use-composition";
import { useDiffs } from "./use-diffs";
import { canChoose } from "./variation-facts";
import { WhatDiffers } from "./what-differs";

/** Comparison of a run's variations: recommendation, evidence, code, and the decision. */
export function ComparePage({ params }: { params: PathParams }) {
  const id = params.id ?? "";
  const { details, stream } = useRunDetails(id);
  if (details.isPending) return <LoadingSkeleton />;
  if (details.isError) {
    redirectToLogin(details.error);
    if (details.error instanceof ApiError && details.error.status === 404)
      return (
        <EmptyState title="Run not found">
          It may belong to another server, or the address may be incomplete.
        </EmptyState>
      );
    return <LoadError error={details.error} retry={() => void details.refetch()} />;
  }
  return <ComparisonView details={details.data} stream={stream} />;
}

/**
 * Dialog that is open: choosing a winner (null: none preselected), or clearing a variation's flags.
 */
type OpenDialog =
  | { readonly kind: "choose"; readonly number: number | null }
  | { readonly kind: "clear"; readonly number: number };

function ComparisonView({ details, stream }: { details: RunDetails; stream: RunStream }) {
  useDocumentTitle(`Compare: ${visibleLine(details.spec.prompt)}`);
  const [dialog, setDialog] = useState<OpenDialog | null>(null);
  const choose = (number: number | null) => setDialog({ kind: "choose", number });
  const [shownNumbers, setShownNumbers] = useShownVariations(details);
  const columns = useMemo(() => buildColumns(details, shownNumbers), [details, shownNumbers]);
  const [cell, setCell] = useQueryValue("cell");
  const composition = useComposition(details.id);
  useKeyCommands([
    ...(canChoose(details)
      ? [
          {
            key: "w",
            description: "Choose the winner",
            run: () => choose(details.ranking?.recommended ?? null),
          },
        ]
      : []),
    { key: "Escape", description: "Close the panel", run: () => setCell(null) },
    {
      key: "d",
      description: "Go to the code",
      run: () => document.getElementById("code")?.scrollIntoView(),
    },
    {
      key: "t",
      description: "Go to the tests",
      run: () => document.getElementById("tests")?.scrollIntoView(),
    },
    { key: "l", description: "Go back to the run", run: () => navigate(`/runs/${details.id}`) },
  ]);
  return (
    <div className={styles.page}>
      <CompareHeader details={details} />
      <div className={styles.top}>
        <div className={styles.answer}>
          <RecommendationPanel details={details} onChoose={choose} />
          <DecisionPanel details={details} stream={stream} />
        </div>
        <BestTwo details={details} columns={columns} />
      </div>
      <CompareBar details={details} columns={columns} onChoose={choose} />
      <section id="code" className={styles.section} aria-label="Code">
        <header className={styles.sectionHeader}>
          <h2>Code</h2>
        </header>
        <CodeSection
          details={details}
          columns={columns}
          composition={composition}
          onClear={(number) => setDialog({ kind: "clear", number })}
          stream={stream}
        />
      </section>
      <section id="tests" className={styles.section} aria-label="Evidence">
        <header className={styles.sectionHeader}>
          <h2>Evidence</h2>
          <VariationFilter
            details={details}
            shownNumbers={shownNumbers}
            onChange={setShownNumbers}
          />
        </header>
        <TestMatrix
          details={details}
          columns={columns}
          view={stream.view}
          open={cell}
          onOpen={setCell}
          onChoose={choose}
        />
      </section>
      <section id="metrics" className={styles.section} aria-label="Metrics">
        <header className={styles.sectionHeader}>
          <h2>Metrics</h2>
        </header>
        <aside className={styles.charts} aria-label="Charts">
          <CostChart details={details} />
          <TimeChart details={details} />
        </aside>
      </section>
      <ComposerBar details={details} composition={composition} stream={stream} />
      {dialog?.kind === "choose" && (
        <ChooseDialog
          details={details}
          preselected={dialog.number}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog?.kind === "clear" && (
        <ClearDialog details={details} number={dialog.number} onClose={() => setDialog(null)} />
      )}
    </div>
  );
}

/** What differs between the best two; nothing where fewer than two have a change. */
function BestTwo({ details, columns }: { details: RunDetails; columns: readonly Column[] }) {
  const numbers = columns.map((column) => column.number);
  const pair = useMemo(() => {
    const shown = columns.map((column) => column.number);
    return bestTwo(
      details,
      rankedNumbers(details).filter((number) => shown.includes(number)),
    );
  }, [details, columns]);
  const { diffs } = useDiffs(details, numbers);
  const files = useMemo(() => pair && fileDifferences(pair, diffs), [pair, diffs]);
  const common = useMemo(() => commonChanges([...diffs.values()]), [diffs]);
  const tests = useMemo(
    () =>
      pair
        ? differingTests(pair, [
            ...checkSections(columns, details.checks).flatMap((section) => section.rows),
            ...crossTestRows(columns, details.evidence?.cross_tests ?? []),
          ])
        : 0,
    [pair, columns, details],
  );
  if (!pair) return null;
  return <WhatDiffers details={details} pair={pair} files={files} tests={tests} common={common} />;
}

function CompareHeader({ details }: { details: RunDetails }) {
  return (
    <header className={styles.header}>
      <p className={styles.context}>
        <Link href={`/runs/${details.id}`}>Back to run</Link>
        <span className="clip">
          {visibleLine(repositoryName(details.spec.repo_url ?? "", details.spec.path))}
        </span>
        {details.commit && <code title={details.commit}>{details.commit.slice(0, 8)}</code>}
        <span className="mono dim" title={details.id}>
          {shortId(details.id)}
        </span>
      </p>
      <h1>
        <Prose>{details.spec.prompt}</Prose>
      </h1>
    </header>
  );
}

/** Return the shown variations, which are the query parameter `a`; null means all. */
function useShownVariations(
  details: RunDetails,
): [readonly number[] | null, (shownNumbers: readonly number[] | null) => void] {
  const [value, setValue] = useQueryValue("a");
  const shownNumbers = useMemo(() => {
    const found = (value ?? "").split(",").map(Number);
    const known = found.filter((number) =>
      details.variations.some((each) => each.number === number),
    );
    return known.length > 0 ? known : null;
  }, [value, details.variations]);
  return [shownNumbers, (next) => setValue(next === null ? null : next.join(","))];
}

function VariationFilter({
  details,
  shownNumbers,
  onChange,
}: {
  details: RunDetails;
  shownNumbers: readonly number[] | null;
  onChange: (shownNumbers: readonly number[] | null) => void;
}) {
  const all = details.variations.map((variation) => variation.number);
  if (all.length < 3) return null;
  const shown = shownNumbers ?? all;
  const toggle = (number: number) => {
    const next = shown.includes(number)
      ? shown.filter((each) => each !== number)
      : [...shown, number];
    onChange(
      next.length === 0 || next.length === all.length ? null : next.toSorted((a, b) => a - b),
    );
  };
  return (
    <fieldset className={styles.filter}>
      <legend className="visually-hidden">Shown variations</legend>
      {all.map((number) => (
        <label key={number} data-off={!shown.includes(number) || undefined}>
          <input type="checkbox" checked={shown.includes(number)} onChange={() => toggle(number)} />
          <VariationBadge number={number} />
        </label>
      ))}
    </fieldset>
  );
}
