import { useId, useState } from "react";
import type { Agent, ServerInfo } from "../api/schema.gen";
import { Button } from "../ui/button";
import { LaneMark } from "../ui/chip";
import { control } from "../ui/field";
import { type Draft, EFFORTS, modelOf, resize, type SeatDraft } from "./draft";
import type { Change } from "./new-run";
import styles from "./new-run.module.css";

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
  const missing = agents.filter(
    (agent) => !agent.available && seats.some((seat) => seat.agent === agent.name),
  );
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
          <SeatRow
            key={seat.key}
            number={index + 1}
            seat={seat}
            agents={agents}
            onChange={(changed) => set(seat.key, changed)}
            onRemove={
              seats.length > 1 ? () => onChange({ seats: seats.filter((each) => each !== seat) }) : undefined
            }
          />
        ))}
      </ol>
      {missing.map((each) => (
        <p key={each.name} className={styles.warning}>{`${each.name}: ${each.missing}`}</p>
      ))}
      {seats.length > server.max_parallel_variations && (
        <p className="dim">{`${server.max_parallel_variations} work at a time; the others wait in turn.`}</p>
      )}
    </fieldset>
  );
}

interface RowProps {
  readonly number: number;
  readonly seat: SeatDraft;
  readonly agents: readonly Agent[];
  readonly onChange: (changed: Partial<SeatDraft>) => void;
  readonly onRemove: (() => void) | undefined;
}

function SeatRow({ number, seat, agents, onChange, onRemove }: RowProps) {
  const models = useId();
  const [open, setOpen] = useState(seat.instructions !== "");
  const agent = agents.find((each) => each.name === seat.agent);
  return (
    <li className={styles.seat}>
      <LaneMark number={number} />
      <select
        className={control}
        aria-label={`Agent of variation ${number}`}
        value={seat.agent}
        onChange={(event) => onChange({ agent: event.target.value, model: "" })}
      >
        {(agents.length > 0 ? agents : [{ name: seat.agent }]).map((each) => (
          <option key={each.name} value={each.name}>
            {each.name}
          </option>
        ))}
      </select>
      <input
        className={control}
        aria-label={`Model of variation ${number}`}
        list={models}
        spellCheck={false}
        placeholder={modelOf(seat, agents)}
        value={seat.model}
        onChange={(event) => onChange({ model: event.target.value })}
      />
      <datalist id={models}>
        {agent?.models.known.map((model) => (
          <option key={model} value={model} />
        ))}
      </datalist>
      <select
        className={control}
        aria-label={`Effort of variation ${number}`}
        value={seat.effort}
        onChange={(event) => onChange({ effort: event.target.value as SeatDraft["effort"] })}
      >
        <option value="">effort</option>
        {EFFORTS.map((effort) => (
          <option key={effort}>{effort}</option>
        ))}
      </select>
      <Button look="quiet" size="s" aria-expanded={open} onClick={() => setOpen(!open)}>
        strategy
      </Button>
      {onRemove && (
        <Button look="quiet" size="s" icon="close" bare onClick={onRemove}>
          {`Remove variation ${number}`}
        </Button>
      )}
      {open && (
        <textarea
          className={`${control} ${styles.strategy}`}
          aria-label={`Strategy of variation ${number}`}
          rows={2}
          placeholder="Write a failing test first."
          value={seat.instructions}
          onChange={(event) => onChange({ instructions: event.target.value })}
        />
      )}
    </li>
  );
}
