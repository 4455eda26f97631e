import { LaneMark } from "../ui/chip";
import { line } from "../ui/plain";
import type { Column } from "./columns";
import type { FileCell, FileLine } from "./filemap";
import styles from "./filemap.module.css";

interface Props {
  readonly map: readonly FileLine[];
  readonly columns: readonly Column[];
  /** What the diff shows at present. */
  readonly variation: number;
  readonly path: string | null;
  readonly onOpen: (variation: number, path: string) => void;
}

/** Who changed which file, and where they did the very same. */
export function FileMap({ map, columns, variation, path, onOpen }: Props) {
  return (
    <div className={styles.scroller}>
      <table className={styles.map}>
        <caption className="only-read-aloud">Files that the variations change</caption>
        <thead>
          <tr>
            <th scope="col">File</th>
            {columns.map((column) => (
              <th key={column.number} scope="col">
                <span className={styles.lanes}>
                  {column.members.map((member) => (
                    <LaneMark key={member} number={member} />
                  ))}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {map.map((file) => (
            <tr key={file.path}>
              <th scope="row" title={line(file.path)}>
                <Path path={line(file.path)} />
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
                      <Change cell={cell} />
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

/** The end of a path tells more than its beginning. */
function Path({ path }: { path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return (
    <span className={styles.path}>
      <span className="clip dim">{path.slice(0, cut)}</span>
      <span>{path.slice(cut)}</span>
    </span>
  );
}

function Change({ cell }: { cell: FileCell }) {
  const { file, additions, deletions, alike, variation } = cell;
  const others = alike.filter((number) => number !== variation);
  const text = file.binary ? "binary" : null;
  return (
    <>
      <span className="num">
        {text ?? (
          <>
            {file.status === "added" && <span className="dim">new </span>}
            {file.status === "removed" && <span className="dim">gone </span>}
            <span className={styles.plus}>+{additions}</span>{" "}
            <span className={styles.minus}>−{deletions}</span>
          </>
        )}
      </span>
      {others.length > 0 && <span className={styles.alike}>{`= ${others.join(", ")}`}</span>}
    </>
  );
}
