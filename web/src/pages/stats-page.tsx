import type { Rate, Stats, Tally } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { formatCost, formatDuration, pluralize } from "../ui/format";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { ScrollRegion } from "../ui/scroll-region";
import { visibleLine } from "../ui/visible-text";
import { InfoPage, InfoSection } from "./info-page";
import shared from "./pages.module.css";
import styles from "./stats-page.module.css";

/** Win rates of agents, models and strategies, and the cost of an accepted change. */
export function StatsPage() {
  const stats = useGet("GET /stats", {});
  if (stats.isPending) return <LoadingSkeleton />;
  if (stats.isError) return <LoadError error={stats.error} retry={() => void stats.refetch()} />;
  const { data } = stats;
  const decisions = pluralize(data.decided ?? 0, "decision");
  const runs = pluralize(data.runs ?? 0, "ended run");
  const about = `Based on ${decisions} in ${runs}. Few decisions give wide intervals.`;
  return (
    <InfoPage title="Statistics" about={about}>
      {(data.runs ?? 0) === 0 ? (
        <EmptyState title="No decisions yet">
          <p>Choose a winner to see statistics here.</p>
        </EmptyState>
      ) : (
        <>
          <Totals data={data} />
          <WinTable title="Wins by agent" tallies={data.agents ?? []} />
          <WinTable title="Wins by model" tallies={data.models ?? []} none="agent's default" />
          <WinTable
            title="Wins by instructions"
            tallies={data.strategies ?? []}
            none="no instructions"
          />
        </>
      )}
    </InfoPage>
  );
}

function Totals({ data }: { data: Stats }) {
  const seconds = data.decision_seconds;
  const figures = [
    ["Accepted changes", String(data.decided ?? 0)],
    ["Published", String(data.published ?? 0)],
    [
      "Cost per accepted change",
      data.cost_per_decision_usd == null ? "–" : formatCost(data.cost_per_decision_usd),
    ],
    ["Time to decide, median", seconds == null ? "–" : formatDuration(seconds * 1000)],
    ["Recommendation followed", data.followed ? formatRate(data.followed) : "–"],
  ] as const;
  return (
    <dl className={styles.totals}>
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="num">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function formatRate({ share, count, of }: Rate): string {
  return share == null ? "–" : `${Math.round(share * 100)} % (${count} of ${of})`;
}

function WinTable({
  title,
  tallies,
  none = "",
}: {
  title: string;
  tallies: readonly Tally[];
  none?: string;
}) {
  if (tallies.length === 0) return null;
  return (
    <InfoSection title={title}>
      <ScrollRegion label={`${title}: table`}>
        <table className={`${shared.table} ${styles.wins}`}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Wins</th>
              <th scope="col">Win rate with 95 % interval; the line marks a random choice</th>
              <th scope="col">Cost per win</th>
            </tr>
          </thead>
          <tbody>
            {tallies.map((tally) => (
              <tr key={tally.name}>
                <th scope="row">
                  {visibleLine(tally.name) || <span className="dim">{none}</span>}
                </th>
                <td className="num">{`${tally.wins.count} of ${tally.wins.of}`}</td>
                <td>
                  <Interval tally={tally} />
                </td>
                <td className="num">
                  {tally.cost_per_win_usd == null ? "–" : formatCost(tally.cost_per_win_usd)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </InfoSection>
  );
}

/** Scale from 0 to 1 with the interval, the win rate, and the rate of a random choice. */
function Interval({ tally: { wins, by_chance } }: { tally: Tally }) {
  const { share, low = 0, high = 1 } = wins;
  const percent = (part: number) => `${Math.round(part * 100)} %`;
  const text =
    share == null ? "no data" : `${percent(share)}, between ${percent(low)} and ${percent(high)}`;
  return (
    <span className={styles.intervalRow}>
      <span className={styles.interval} aria-hidden="true">
        <span
          className={styles.range}
          style={{ left: `${low * 100}%`, width: `${(high - low) * 100}%` }}
        />
        {share != null && <span className={styles.point} style={{ left: `${share * 100}%` }} />}
        {by_chance != null && (
          <span className={styles.chance} style={{ left: `${by_chance * 100}%` }} />
        )}
      </span>
      <span className="num dim">{text}</span>
    </span>
  );
}
