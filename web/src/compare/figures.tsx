import type { ReactNode } from "react";
import { count, duration, money, plural } from "../ui/format";
import { line } from "../ui/plain";
import type { Column } from "./columns";
import styles from "./matrix.module.css";
import { timeTaken, tokens } from "./names";

interface Figure {
  readonly name: string;
  readonly base?: string;
  readonly of: (column: Column) => ReactNode;
}

/** What is shown beside the evidence and never decides: size, time, cost. */
export function Figures({ columns }: { columns: readonly Column[] }) {
  return (
    <tbody className={styles.figures}>
      <tr className={styles.sectionHead}>
        <th scope="rowgroup" colSpan={2 + columns.length}>
          Figures <span className="dim">shown, never deciding</span>
        </th>
      </tr>
      {[...FIGURES, ...deltas(columns)].map((figure) => (
        <tr key={figure.name}>
          <th scope="row" className={styles.what}>
            {line(figure.name)}
          </th>
          <td className={styles.base}>{figure.base}</td>
          {columns.map((column) => (
            <td key={column.number} className="num">
              {figure.of(column) ?? <span className="dim">–</span>}
            </td>
          ))}
        </tr>
      ))}
      <FlagRow columns={columns} />
    </tbody>
  );
}

const FIGURES: readonly Figure[] = [
  {
    name: "Change",
    of: ({ variation: { verdict } }) =>
      verdict && (
        <>
          {plural(verdict.patch.files ?? 0, "file")}{" "}
          <span className={styles.plus}>+{verdict.patch.additions ?? 0}</span>{" "}
          <span className={styles.minus}>−{verdict.patch.deletions ?? 0}</span>
        </>
      ),
  },
  {
    name: "Time",
    of: ({ variation }) => {
      const taken = timeTaken(variation);
      return taken === null ? null : duration(taken);
    },
  },
  { name: "Tokens", of: ({ variation }) => count(tokens(variation)) },
  { name: "Cost", of: ({ variation }) => money(variation.usage.cost_usd) },
];

/** Lint, types, coverage: before on the base, after in the column. */
function deltas(columns: readonly Column[]): readonly Figure[] {
  const all = columns.flatMap(({ variation }) => variation.verdict?.deltas ?? []);
  return [...new Set(all.map((delta) => delta.name))].map((name) => {
    const before = all.find((delta) => delta.name === name)?.before ?? null;
    return {
      name,
      base: before === null ? "" : String(before),
      of: ({ variation }: Column) => {
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
      <th scope="row" className={styles.what}>
        Flags <span className="dim">a person must look</span>
      </th>
      <td className={styles.base} />
      {columns.map(({ number, variation }, index) => (
        <td
          key={number}
          className={styles.flags}
          data-cleared={variation.cleared !== null || undefined}
        >
          {flagged[index] ? (
            `⚑ ${plural(flagged[index], "flag")}${variation.cleared === null ? "" : ", cleared"}`
          ) : (
            <span className="dim">none</span>
          )}
        </td>
      ))}
    </tr>
  );
}
