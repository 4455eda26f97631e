import type { AgentInfo } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Chip } from "../ui/chip";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { visibleLine } from "../ui/visible-text";
import { InfoPage } from "./info-page";
import styles from "./pages.module.css";

/** Agents of the catalogue with their models, and what is missing to use them. */
export function AgentsPage() {
  const agents = useGet("GET /agents", {});
  if (agents.isPending) return <LoadingSkeleton />;
  if (agents.isError) return <LoadError error={agents.error} retry={() => void agents.refetch()} />;
  return (
    <InfoPage
      title="Agents"
      about="Each agent works in its own sandbox and reaches its model only through the gateway."
    >
      {agents.data.length === 0 && <EmptyState title="The catalogue has no agents" />}
      <ul className={styles.cards}>
        {agents.data.map((agent) => (
          <AgentCard key={agent.name} agent={agent} />
        ))}
      </ul>
    </InfoPage>
  );
}

function AgentCard({ agent }: { agent: AgentInfo }) {
  const { models } = agent;
  const rejects = Object.entries(models.rejects);
  return (
    <li className={styles.card}>
      <header>
        <h2>{visibleLine(agent.title)}</h2>
        <code>{visibleLine(agent.name)}</code>
        {agent.available ? (
          <Chip tone="good" glyph="✓">
            available
          </Chip>
        ) : (
          <Chip tone="warning" glyph="!">
            not available
          </Chip>
        )}
      </header>
      {agent.missing && <p className={styles.missing}>{visibleLine(agent.missing)}</p>}
      <dl className={styles.facts}>
        <div>
          <dt>Default model</dt>
          <dd>
            <code>{visibleLine(models.default)}</code>
          </dd>
        </div>
        <div>
          <dt>Other known models</dt>
          <dd className={styles.list}>
            {models.known
              .filter((model) => model !== models.default)
              .map((model) => (
                <code key={model}>{visibleLine(model)}</code>
              ))}
            <span className="dim">other ids are passed on unchanged</span>
          </dd>
        </div>
        {rejects.map(([parameter, patterns]) => (
          <div key={parameter}>
            <dt>{`Models without ${visibleLine(parameter.replaceAll("_", " "))}`}</dt>
            <dd className={styles.list}>
              {patterns.map((pattern) => (
                <code key={pattern}>{visibleLine(pattern)}</code>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
