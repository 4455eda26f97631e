import type { AgentInfo, KnownModel } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Chip } from "../ui/chip";
import { formatThousands } from "../ui/format";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { ScrollRegion } from "../ui/scroll-region";
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
      <ModelTable agent={agent} />
      <p className="dim">Any other model id is passed on unchanged.</p>
    </li>
  );
}

/** The models to offer: price, size and efforts. */
function ModelTable({ agent }: { agent: AgentInfo }) {
  return (
    <ScrollRegion label={`Models of ${visibleLine(agent.title)}`}>
      <table className={styles.models}>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Input, $ per million tokens</th>
            <th scope="col">Output, $ per million tokens</th>
            <th scope="col">Context, tokens</th>
            <th scope="col">Efforts</th>
          </tr>
        </thead>
        <tbody>
          {agent.known.map((model) => (
            <ModelRow key={model.id} model={model} isDefault={model.id === agent.models.default} />
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function ModelRow({ model, isDefault }: { model: KnownModel; isDefault: boolean }) {
  const { id, input_usd, output_usd, context_tokens, efforts } = model;
  return (
    <tr>
      <th scope="row">
        <code>{visibleLine(id)}</code> {isDefault && <Chip>default</Chip>}
      </th>
      <td className="num">{input_usd ?? "unknown"}</td>
      <td className="num">{output_usd ?? "unknown"}</td>
      <td className="num">
        {context_tokens === null ? "unknown" : formatThousands(context_tokens)}
      </td>
      <td>{efforts.length > 0 ? efforts.join(", ") : "none"}</td>
    </tr>
  );
}
