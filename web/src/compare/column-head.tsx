import type { RunDetails } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { Chip, VariationBadge } from "../ui/chip";
import { agentLabel } from "../ui/labels";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import styles from "./column-head.module.css";
import type { Column } from "./columns";
import { seatNames } from "./seat-names";
import { canChoose, composedFrom, missingReason } from "./variation-facts";

interface Props {
  readonly column: Column;
  readonly details: RunDetails;
  readonly view: RunView;
  readonly onChoose: (number: number) => void;
}

/** Header of a column: variation, agent, the gate that excludes it, and its actions. */
export function ColumnHead({ column, details, view, onChoose }: Props) {
  const { variation, members, number } = column;
  const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
  const empty = missingReason(variation, view.variations[number - 1]);
  const gate = empty ?? standing?.gate ?? "";
  return (
    <th
      scope="col"
      className={styles.column}
      data-chosen={isAmong(details.winner, members) || undefined}
    >
      <span className={styles.badges}>
        {members.map((member) => (
          <VariationBadge key={member} number={member} />
        ))}
        <ColumnStatus details={details} members={members} />
      </span>
      <ColumnAgent column={column} name={seatNames(details.variations).get(number)} />
      {gate && (
        <span
          className={styles.gate}
          title={visibleLine(gate)}
          data-flagged={standing?.flagged || undefined}
        >
          <Prose>{gate}</Prose>
        </span>
      )}
      {canChoose(details) && !empty && (
        <span className={styles.actions}>
          <Button size="s" onClick={() => onChoose(number)}>
            <span aria-hidden="true">Choose</span>
            <span className="visually-hidden">{`Choose variation ${number}`}</span>
          </Button>
          <Link href={`/runs/${details.id}?bench=${number}`} aria-label={`Try variation ${number}`}>
            Try
          </Link>
        </span>
      )}
    </th>
  );
}

function isAmong(number: number | null | undefined, members: readonly number[]): boolean {
  return number != null && members.includes(number);
}

function ColumnStatus({ details, members }: { details: RunDetails; members: readonly number[] }) {
  if (isAmong(details.winner, members)) {
    return (
      <Chip tone="good" glyph="★">
        chosen
      </Chip>
    );
  }
  return isAmong(details.ranking?.recommended, members) ? (
    <Chip tone="good">recommended</Chip>
  ) : null;
}

/** Agent and instructions, or the sources of a composition. */
function ColumnAgent({
  column: { variation, members },
  name,
}: {
  column: Column;
  name: string | undefined;
}) {
  const sources = composedFrom(variation);
  const strategy = visibleLine(variation.spec.instructions ?? "");
  return (
    <>
      <span className={`${styles.agent} clip`} title={agentLabel(variation.spec)}>
        {sources ? `composed from ${sources}` : name}
      </span>
      {strategy && name !== strategy && (
        <span className={styles.instructions} title={strategy}>
          {strategy}
        </span>
      )}
      {members.length > 1 && <span className={styles.instructions}>identical patch</span>}
    </>
  );
}
