import type { ReactNode } from "react";
import { totalTokens } from "../run/variation-labels";
import { formatCost, formatCount, formatDuration, pluralize } from "../ui/format";
import { visibleLine } from "../ui/visible-text";
import type { Column } from "./columns";
import styles from "./test-matrix.module.css";
import { variationDuration } from "./variation-facts";

interface Metric {
  readonly name: string;
  readonly base?: string;
  readonly value: (column: Column) => ReactNode;
}

/** Metrics that are shown and never used for the ranking: size, time, cost. */
export function MetricRows({ columns }: { columns: readonly Column[] }) {
  return (
    <tbody className={styles.metrics}>
      <tr className={styles.sectionHeader}>
        <th scope="rowgroup" colSpan={2 + columns.length}>
          Metrics <span className="dim">not used for ranking</span>
        </th>
      </tr>
      {[...METRICS, ...deltaMetrics(columns)].map((figure) => (
        <tr key={figure.name}>
          <th scope="row" className={styles.rowHeader}>
            {visibleLine(figure.name)}
          </th>
          <td className={styles.base}>{figure.base}</td>
          {columns.map((column) => (
            <td key={column.number} className="num">
              {figure.value(column) ?? <span className="dim">–</span>}
            </td>
          ))}
        </tr>
      ))}
      <FlagRow columns={columns} />
    </tbody>
  );
}

const METRICS: readonly Metric[] = [
  {
    name: "Change",
    value: ({ variation: { verdict } }) =>
      verdict && (
        <>
          {pluralize(verdict.patch.files ?? 0, "file")}{" "}
          <span className={styles.additions}>+{verdict.patch.additions ?? 0}</span>{" "}
          <span className={styles.deletions}>−{verdict.patch.deletions ?? 0}</span>
        </>
      ),
  },
  {
    name: "Time",
    value: ({ variation }) => {
      const duration = variationDuration(variation);
      return duration === null ? null : formatDuration(duration);
    },
  },
  { name: "Tokens", value: ({ variation }) => formatCount(totalTokens(variation.usage)) },
  { name: "Cost", value: ({ variation }) => formatCost(variation.usage.cost_usd) },
];

/** Lint, type and coverage metrics: the base's value, and the value in each column. */
function deltaMetrics(columns: readonly Column[]): readonly Metric[] {
  const all = columns.flatMap(({ variation }) => variation.verdict?.deltas ?? []);
  return [...new Set(all.map((delta) => delta.name))].map((name) => {
    const before = all.find((delta) => delta.name === name)?.before ?? null;
    return {
      name,
      base: before === null ? "" : String(before),
      value: ({ variation }: Column) => {
        const delta = variation.verdict?.deltas?.find((each) => each.name === name);
        return delta?.after == null ? null : `${delta.after}${delta.unit ? ` ${delta.unit}` : ""}`;
      },
    };
  });
}

function FlagRow({ columns }: { columns: readonly Column[] }) {
  const flagged = columns.map(({ variation }) => variation.verdict?.flags?.length ?? 0);
  if (flagged.every((number) => number === 0)) return null;
  return (
    <tr>
      <th scope="row" className={styles.rowHeader}>
        Flags <span className="dim">review required</span>
      </th>
      <td className={styles.base} />
      {columns.map(({ number, variation }, index) => (
        <td
          key={number}
          className={styles.flags}
          data-cleared={variation.cleared !== null || undefined}
        >
          {flagged[index] ? (
            `⚑ ${pluralize(flagged[index], "flag")}${variation.cleared === null ? "" : ", cleared"}`
          ) : (
            <span className="dim">none</span>
          )}
        </td>
      ))}
    </tr>
  );
}
