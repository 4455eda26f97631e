import { useId, useState } from "react";
import type { Agent } from "../api/schema.gen";
import { Button } from "../ui/button";
import { LaneMark } from "../ui/chip";
import { control } from "../ui/field";
import { EFFORTS, modelOf, type SeatDraft } from "./draft";
import styles from "./seat.module.css";

interface Props {
  /** Its place in the lineup, by which its controls are told apart. */
  readonly number: number;
  readonly seat: SeatDraft;
  readonly agents: readonly Agent[];
  readonly onChange: (changed: Partial<SeatDraft>) => void;
  readonly onRemove?: (() => void) | undefined;
}

/** Who sits on one seat, and how hard it thinks. */
export function Seat({ number, seat, agents, onChange, onRemove }: Props) {
  const models = useId();
  const [open, setOpen] = useState(seat.instructions !== "");
  const agent = agents.find((each) => each.name === seat.agent);
  return (
    <div className={styles.seat}>
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
    </div>
  );
}

/** What the agents of these seats lack on this server, before they are asked to work. */
export function Missing({
  seats,
  agents,
}: {
  seats: readonly SeatDraft[];
  agents: readonly Agent[];
}) {
  return agents
    .filter((agent) => !agent.available && seats.some((seat) => seat.agent === agent.name))
    .map((each) => (
      <p key={each.name} className={styles.missing}>{`${each.name}: ${each.missing}`}</p>
    ));
}
