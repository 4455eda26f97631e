import type { AgentInfo, ServerInfo } from "../api/schema.gen";
import { Button } from "../ui/button";
import { pluralize } from "../ui/format";
import { AgentFields, MissingRequirements } from "./agent-fields";
import styles from "./new-run-form.module.css";
import { type AgentDraft, type DraftChange, type RunDraft, resizeLineup } from "./run-draft";

interface Props {
  readonly draft: RunDraft;
  readonly server: ServerInfo;
  readonly catalog: readonly AgentInfo[];
  readonly onChange: DraftChange;
}

/** Lineup of the new run, one row per agent. A new row copies the last one. */
export function LineupEditor({ draft, server, catalog, onChange }: Props) {
  const { lineup } = draft;
  const set = (key: number, changed: Partial<AgentDraft>) =>
    onChange({
      lineup: lineup.map((agent) => (agent.key === key ? { ...agent, ...changed } : agent)),
    });
  const setCount = (count: number) => onChange({ lineup: resizeLineup(lineup, count) });
  return (
    <fieldset>
      <legend>
        <span>Agents</span>
        <span className={styles.stepper}>
          <Button
            size="s"
            icon="minus"
            iconOnly
            disabled={lineup.length <= 1}
            onClick={() => setCount(lineup.length - 1)}
          >
            Remove one agent
          </Button>
          <output className="num">{lineup.length}</output>
          <Button
            size="s"
            icon="plus"
            iconOnly
            disabled={lineup.length >= server.max_variations}
            onClick={() => setCount(lineup.length + 1)}
          >
            Add one agent
          </Button>
        </span>
      </legend>
      <ol className={styles.agents}>
        {lineup.map((agent, index) => (
          <li key={agent.key}>
            <AgentFields
              number={index + 1}
              agent={agent}
              catalog={catalog}
              onChange={(changed) => set(agent.key, changed)}
              onRemove={
                lineup.length > 1
                  ? () => onChange({ lineup: lineup.filter((each) => each !== agent) })
                  : undefined
              }
            />
          </li>
        ))}
      </ol>
      <MissingRequirements lineup={lineup} catalog={catalog} />
      {lineup.length > server.max_parallel_variations && (
        <p className="dim">
          {pluralize(server.max_parallel_variations, "agent works", "agents work")} at a time; the
          others wait in the queue.
        </p>
      )}
    </fieldset>
  );
}
