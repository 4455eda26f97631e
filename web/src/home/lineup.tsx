import type { Agent, ServerInfo } from "../api/schema.gen";
import { Button } from "../ui/button";
import { type Change, type Draft, resize, type SeatDraft } from "./draft";
import styles from "./new-run.module.css";
import { Missing, Seat } from "./seat";

interface Props {
  readonly draft: Draft;
  readonly server: ServerInfo;
  readonly agents: readonly Agent[];
  readonly onChange: Change;
}

/** Who works: one row a seat, alike until somebody makes them differ. */
export function Lineup({ draft, server, agents, onChange }: Props) {
  const { seats } = draft;
  const set = (key: number, changed: Partial<SeatDraft>) =>
    onChange({ seats: seats.map((seat) => (seat.key === key ? { ...seat, ...changed } : seat)) });
  const setCount = (wanted: number) => onChange({ seats: resize(seats, wanted) });
  return (
    <fieldset className={styles.lineup}>
      <legend>
        <span>Agents</span>
        <span className={styles.stepper}>
          <Button
            size="s"
            icon="minus"
            bare
            disabled={seats.length <= 1}
            onClick={() => setCount(seats.length - 1)}
          >
            One agent less
          </Button>
          <output className="num">{seats.length}</output>
          <Button
            size="s"
            icon="plus"
            bare
            disabled={seats.length >= server.max_variations}
            onClick={() => setCount(seats.length + 1)}
          >
            One agent more
          </Button>
        </span>
      </legend>
      <ol className={styles.seats}>
        {seats.map((seat, index) => (
          <li key={seat.key}>
            <Seat
              number={index + 1}
              seat={seat}
              agents={agents}
              onChange={(changed) => set(seat.key, changed)}
              onRemove={
                seats.length > 1
                  ? () => onChange({ seats: seats.filter((each) => each !== seat) })
                  : undefined
              }
            />
          </li>
        ))}
      </ol>
      <Missing seats={seats} agents={agents} />
      {seats.length > server.max_parallel_variations && (
        <p className="dim">{`${server.max_parallel_variations} work at a time; the others wait in turn.`}</p>
      )}
    </fieldset>
  );
}
