import { useId, useState } from "react";
import type { AgentInfo } from "../api/schema.gen";
import { Button } from "../ui/button";
import { VariationBadge } from "../ui/chip";
import { controlClass } from "../ui/field";
import styles from "./agent-fields.module.css";
import { type AgentDraft, defaultModel, EFFORTS } from "./run-draft";

interface Props {
  /** Position in the lineup, which tells the rows' controls apart. */
  readonly number: number;
  readonly agent: AgentDraft;
  readonly catalog: readonly AgentInfo[];
  readonly onChange: (changed: Partial<AgentDraft>) => void;
  readonly onRemove?: (() => void) | undefined;
}

/** One agent of the lineup: agent, model, effort and instructions. */
export function AgentFields({ number, agent, catalog, onChange, onRemove }: Props) {
  const models = useId();
  const [open, setOpen] = useState(
    agent.instructions !== "" || agent.temperature !== "" || agent.maxTurns !== "",
  );
  const entry = catalog.find((each) => each.name === agent.agent);
  return (
    <div className={styles.row}>
      <VariationBadge number={number} />
      <select
        className={controlClass}
        aria-label={`Agent of variation ${number}`}
        value={agent.agent}
        onChange={(event) => onChange({ agent: event.target.value, model: "" })}
      >
        {(catalog.length > 0 ? catalog : [{ name: agent.agent }]).map((each) => (
          <option key={each.name} value={each.name}>
            {each.name}
          </option>
        ))}
      </select>
      <input
        className={controlClass}
        aria-label={`Model of variation ${number}`}
        list={models}
        spellCheck={false}
        placeholder={defaultModel(agent, catalog)}
        value={agent.model}
        onChange={(event) => onChange({ model: event.target.value })}
      />
      <datalist id={models}>
        {entry?.models.known.map((model) => (
          <option key={model} value={model} />
        ))}
      </datalist>
      <select
        className={controlClass}
        aria-label={`Effort of variation ${number}`}
        value={agent.effort}
        onChange={(event) => onChange({ effort: event.target.value as AgentDraft["effort"] })}
      >
        <option value="">default</option>
        {EFFORTS.map((effort) => (
          <option key={effort}>{effort}</option>
        ))}
      </select>
      <Button variant="quiet" size="s" aria-expanded={open} onClick={() => setOpen(!open)}>
        Options
      </Button>
      {onRemove && (
        <Button variant="quiet" size="s" icon="close" iconOnly onClick={onRemove}>
          {`Remove variation ${number}`}
        </Button>
      )}
      {open && (
        <>
          <textarea
            className={`${controlClass} ${styles.instructions}`}
            aria-label={`Instructions for variation ${number}`}
            rows={2}
            dir="auto"
            placeholder="Write a failing test first."
            value={agent.instructions}
            onChange={(event) => onChange({ instructions: event.target.value })}
          />
          <div className={styles.numbers}>
            <input
              className={controlClass}
              aria-label={`Temperature of variation ${number}`}
              type="number"
              min={0}
              max={1}
              step="any"
              placeholder="temperature"
              value={agent.temperature}
              onChange={(event) => onChange({ temperature: event.target.value })}
            />
            <input
              className={controlClass}
              aria-label={`Model calls of variation ${number} at most`}
              type="number"
              min={1}
              placeholder="model calls at most"
              value={agent.maxTurns}
              onChange={(event) => onChange({ maxTurns: event.target.value })}
            />
          </div>
        </>
      )}
    </div>
  );
}

/** What the chosen agents lack on this server, shown before the run starts. */
export function MissingRequirements({
  lineup,
  catalog,
}: {
  lineup: readonly AgentDraft[];
  catalog: readonly AgentInfo[];
}) {
  return catalog
    .filter((entry) => !entry.available && lineup.some((agent) => agent.agent === entry.name))
    .map((each) => (
      <p key={each.name} className={styles.missing}>{`${each.name}: ${each.missing}`}</p>
    ));
}
