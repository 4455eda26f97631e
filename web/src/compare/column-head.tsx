import type { RunDetails } from "../api/schema.gen";
import { Link } from "../app/router";
import type { RunView } from "../stream/types";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { line } from "../ui/plain";
import { Prose } from "../ui/prose";
import styles from "./column-head.module.css";
import type { Column } from "./columns";
import { isOpen, seatName, sources, whyEmpty } from "./names";

interface Props {
  readonly column: Column;
  readonly details: RunDetails;
  readonly view: RunView;
  readonly onChoose: (number: number) => void;
}

/** Who stands at the head of a column, and what stands in its way. */
export function ColumnHead({ column, details, view, onChoose }: Props) {
  const { variation, members, number } = column;
  const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
  const empty = whyEmpty(variation, view.lanes[number - 1]);
  const gate = empty ?? standing?.gate ?? "";
  return (
    <th
      scope="col"
      className={styles.column}
      data-chosen={isAmong(details.winner, members) || undefined}
    >
      <span className={styles.lanes}>
        {members.map((member) => (
          <LaneMark key={member} number={member} />
        ))}
        <Place details={details} members={members} />
      </span>
      <Seat column={column} />
      {gate && (
        <span
          className={styles.gate}
          title={line(gate)}
          data-flagged={standing?.flagged || undefined}
        >
          <Prose>{gate}</Prose>
        </span>
      )}
      {isOpen(details) && !empty && (
        <span className={styles.actions}>
          <Button size="s" onClick={() => onChoose(number)}>
            <span aria-hidden="true">Choose</span>
            <span className="only-read-aloud">{`Choose variation ${number}`}</span>
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

function Place({ details, members }: { details: RunDetails; members: readonly number[] }) {
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

/** Agent and strategy; of a composed one, where its parts are from. */
function Seat({ column: { variation, members } }: { column: Column }) {
  const from = sources(variation);
  const strategy = line(variation.seat.instructions ?? "");
  return (
    <>
      <span className={styles.seat}>{from ? `composed of ${from}` : seatName(variation.seat)}</span>
      {strategy && (
        <span className={styles.strategy} title={strategy}>
          {strategy}
        </span>
      )}
      {members.length > 1 && <span className={styles.strategy}>the same patch</span>}
    </>
  );
}
