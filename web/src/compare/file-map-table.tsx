import { VariationBadge } from "../ui/chip";
import { visibleLine } from "../ui/visible-text";
import type { Column } from "./columns";
import type { FileMapCell, FileMapRow } from "./file-map";
import styles from "./file-map-table.module.css";

interface Props {
  readonly map: readonly FileMapRow[];
  readonly columns: readonly Column[];
  /** Variation and file that the diff shows. */
  readonly variation: number;
  readonly path: string | null;
  readonly onOpen: (variation: number, path: string) => void;
}

/** Table of files and variations: who changed which file, and which changes are identical. */
export function FileMapTable({ map, columns, variation, path, onOpen }: Props) {
  return (
    <div className={styles.scroller}>
      <table className={styles.map}>
        <caption className="visually-hidden">Files changed by the variations</caption>
        <thead>
          <tr>
            <th scope="col">File</th>
            {columns.map((column) => (
              <th key={column.number} scope="col">
                <span className={styles.badges}>
                  {column.members.map((member) => (
                    <VariationBadge key={member} number={member} />
                  ))}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {map.map((file) => (
            <tr key={file.path}>
              <th scope="row" title={visibleLine(file.path)}>
                <FilePath path={visibleLine(file.path)} />
              </th>
              {file.cells.map((cell, index) => (
                <td key={columns[index]?.number}>
                  {cell && (
                    <button
                      type="button"
                      aria-current={
                        cell.variation === variation && file.path === path ? "true" : undefined
                      }
                      onClick={() => onOpen(cell.variation, file.path)}
                    >
                      <FileChange cell={cell} />
                    </button>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Path of a file. The folder is shortened first, since the name tells more. */
function FilePath({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return (
    <span className={styles.path}>
      <span className="clip dim">{path.slice(0, cut)}</span>
      <span>{path.slice(cut)}</span>
    </span>
  );
}

function FileChange({ cell }: { cell: FileMapCell }) {
  const { file, additions, deletions, sameIn, variation } = cell;
  const others = sameIn.filter((number) => number !== variation);
  const text = file.binary ? "binary" : null;
  return (
    <>
      <span className="num">
        {text ?? (
          <>
            {file.status === "added" && <span className="dim">new </span>}
            {file.status === "removed" && <span className="dim">removed </span>}
            <span className={styles.additions}>+{additions}</span>{" "}
            <span className={styles.deletions}>−{deletions}</span>
          </>
        )}
      </span>
      {others.length > 0 && <span className={styles.sameAs}>{`= ${others.join(", ")}`}</span>}
    </>
  );
}
