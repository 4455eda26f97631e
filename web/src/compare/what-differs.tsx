import type { ReactNode } from "react";
import type { RunDetails } from "../api/schema.gen";
import { setQueryValues } from "../app/router";
import { VariationBadge } from "../ui/chip";
import { formatThousands, pluralize } from "../ui/format";
import { LoadingSkeleton } from "../ui/page-states";
import { visibleLine } from "../ui/visible-text";
import type { ChangeBlock, CommonChanges } from "./common-changes";
import { type FileDifference, sharedProofs } from "./differences";
import styles from "./what-differs.module.css";

interface Props {
  readonly details: RunDetails;
  /** The two variations between which the question is. */
  readonly pair: readonly [number, number];
  /** Files that differ; null while the diffs are loaded. */
  readonly files: readonly FileDifference[] | null;
  /** Number of tests with different results. */
  readonly tests: number;
  readonly common: CommonChanges;
}

const MAX_FILES = 6;
const MAX_BLOCKS = 12;
const MAX_BLOCK_LINES = 12;

/** What differs between the best two, and what they and all others have in common. */
export function WhatDiffers({ details, pair, files, tests, common }: Props) {
  const [one, other] = pair;
  return (
    <section className={styles.panel} aria-label={`What differs between ${one} and ${other}`}>
      <h2>
        What differs between <VariationBadge number={one} /> and <VariationBadge number={other} />
      </h2>
      {files === null ? <LoadingSkeleton /> : <Files pair={pair} files={files} />}
      <p className="dim">
        {tests === 0
          ? "No test has different results with them."
          : `${pluralize(tests, "test")} with different results.`}
      </p>
      <Agreement details={details} pair={pair} />
      <Common common={common} />
    </section>
  );
}

function openDiff([one, other]: readonly [number, number], file: string | null): void {
  setQueryValues({ from: String(one), to: String(other), file });
  document.getElementById("code")?.scrollIntoView();
}

function Files({
  pair,
  files,
}: {
  pair: readonly [number, number];
  files: readonly FileDifference[];
}) {
  if (files.length === 0) return <p>Nothing: both make the same change.</p>;
  return (
    <>
      <ul className={styles.files}>
        {files.slice(0, MAX_FILES).map((file) => (
          <li key={file.path}>
            <button type="button" onClick={() => openDiff(pair, file.path)}>
              <span className="clip mono">{visibleLine(file.path)}</span>
              <span className="num">
                {file.only !== null && <span className="dim">only in {file.only} </span>}
                <span className={styles.deletions}>−{formatThousands(file.deletions)}</span>{" "}
                <span className={styles.additions}>+{formatThousands(file.additions)}</span>
              </span>
            </button>
            {file.lines.length > 0 && <DifferingLines file={file} pair={pair} />}
          </li>
        ))}
      </ul>
      {files.length > MAX_FILES && (
        <p className="dim">{pluralize(files.length - MAX_FILES, "more file")}</p>
      )}
      <button type="button" className={styles.open} onClick={() => openDiff(pair, null)}>
        {`Read the diff ${pair[0]} ↔ ${pair[1]}`}
      </button>
    </>
  );
}

function DifferingLines({ file, pair }: { file: FileDifference; pair: readonly [number, number] }) {
  return (
    <ol className={styles.lines}>
      {file.lines.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of one excerpt
        <li key={index} data-kind={line.kind}>
          <span className={styles.side} title={`Variation ${sideOf(line.kind, pair)}`}>
            {sideOf(line.kind, pair)}
          </span>
          <code className="clip">{visibleLine(line.text)}</code>
        </li>
      ))}
    </ol>
  );
}

function sideOf(kind: string, [one, other]: readonly [number, number]): number {
  return kind === "removed" ? one : other;
}

/** Tests that one variation wrote and both pass: proof that they agree. */
function Agreement({ details, pair }: { details: RunDetails; pair: readonly [number, number] }) {
  const proofs = sharedProofs(details, pair);
  if (proofs.length === 0) return null;
  return (
    <Fold
      summary={`Proof that they agree: both pass ${pluralize(proofs.length, "cross-test")}`}
      isOpen={proofs.length <= 3}
    >
      <ul>
        {proofs.slice(0, 20).map((test) => (
          <li key={`${test.check} ${test.file} ${test.test}`}>
            <code>{visibleLine(test.test)}</code>{" "}
            <span className="dim">{`written by ${test.authors.join(", ")}`}</span>
          </li>
        ))}
      </ul>
    </Fold>
  );
}

/** What all variations change alike, told once. */
function Common({ common }: { common: CommonChanges }) {
  const { blocks, variations } = common;
  if (blocks.length === 0) return null;
  const lines = blocks.reduce((sum, each) => sum + each.added.length + each.removed.length, 0);
  const who = variations === 2 ? "Both" : `All ${variations}`;
  return (
    <Fold summary={`${who} do this: ${pluralize(lines, "line")}`} isOpen={false}>
      {blocks.slice(0, MAX_BLOCKS).map((block) => (
        <CommonBlock key={`${block.path} ${block.start}`} block={block} />
      ))}
    </Fold>
  );
}

function CommonBlock({ block }: { block: ChangeBlock }) {
  const lines = [
    ...block.removed.map((text) => ({ kind: "removed", text })),
    ...block.added.map((text) => ({ kind: "added", text })),
  ];
  return (
    <>
      <p className="dim mono clip">{`${visibleLine(block.path)}:${block.start}`}</p>
      <ol className={styles.lines}>
        {lines.slice(0, MAX_BLOCK_LINES).map(({ kind, text }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the lines of one block
          <li key={index} data-kind={kind}>
            <code className="clip">{visibleLine(text)}</code>
          </li>
        ))}
      </ol>
    </>
  );
}

function Fold({
  summary,
  isOpen,
  children,
}: {
  summary: string;
  isOpen: boolean;
  children: ReactNode;
}) {
  return (
    <details className={styles.fold} open={isOpen}>
      <summary>{summary}</summary>
      {children}
    </details>
  );
}
