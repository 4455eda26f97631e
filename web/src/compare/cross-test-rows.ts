/** Matrix rows of cross-tests. */
import type { CrossTest } from "../api/schema.gen";
import type { Column } from "./columns";
import { differs, type MatrixCell, type MatrixRow } from "./matrix-rows";

/** Return one row per cross-test, those with the highest weight first. */
export function crossTestRows(
  columns: readonly Column[],
  tests: readonly CrossTest[],
): readonly MatrixRow[] {
  return tests
    .map((test) => crossTestRow(columns, test))
    .toSorted(
      (a, b) =>
        (b.cross?.weight ?? 0) - (a.cross?.weight ?? 0) || Number(b.differs) - Number(a.differs),
    );
}

function crossTestRow(columns: readonly Column[], test: CrossTest): MatrixRow {
  const cells = columns.map((column): MatrixCell => {
    const member = column.members.find((each) => test.outcomes[each] !== undefined);
    const number = member ?? column.number;
    return {
      variation: column.number,
      state: test.outcomes[number] ?? "none",
      before: null,
      after: null,
      message: test.messages?.[number] ?? "",
    };
  });
  return {
    id: `cross » ${test.check} » ${test.file} » ${test.test} » ${test.authors.join(",")}`,
    kind: "cross",
    check: test.check,
    title: test.test,
    file: test.file,
    base: test.base,
    cells,
    differs: differs(cells),
    cross: test,
  };
}
