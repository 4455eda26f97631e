import type { RunDetails } from "../api/schema.gen";
import { formatCost, formatCount, formatShortDuration } from "../ui/format";
import { costScatter, type Phases, type Point, phases, type Scatter } from "./chart-data";
import styles from "./charts.module.css";

const [WIDTH, HEIGHT] = [300, 150];
const PAD = { left: 30, right: 18, top: 12, bottom: 26 };

/** Scatter chart of cost and passing tests. The same data are in a table for screen readers. */
export function CostChart({ details }: { details: RunDetails }) {
  const data = costScatter(details.variations);
  if (data.points.length < 2) return null;
  const scale = createScale(data.points);
  const front = data.points.filter((point) => point.isOnFront).toSorted((a, b) => a.x - b.x);
  return (
    <figure className={styles.chart}>
      <figcaption>{`Tests passed against ${data.unit}`}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
        <Axes data={data} />
        <polyline
          className={styles.front}
          points={front.map((point) => `${scale(point).x},${scale(point).y}`).join(" ")}
        />
        {data.points.map((point) => (
          <PointMark key={point.number} point={point} at={scale(point)} />
        ))}
      </svg>
      <table className="visually-hidden">
        <tbody>
          {data.points.map((point) => (
            <tr key={point.number}>
              <th scope="row">Variation {point.number}</th>
              <td>{formatAmount(data.unit, point.x)}</td>
              <td>{`${point.passed} of ${point.total} pass`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

function formatAmount(unit: Scatter["unit"], value: number): string {
  if (unit === "cost") return formatCost(value);
  return unit === "tokens" ? formatCount(value) : formatShortDuration(value * 1000);
}

function createScale(points: readonly Point[]) {
  const maxX = Math.max(...points.map((point) => point.x)) || 1;
  const maxTotal = Math.max(...points.map((point) => point.total), 1);
  const minPassed = Math.min(...points.map((point) => point.passed));
  const bottom = Math.max(0, Math.min(minPassed, maxTotal - 1) - 1);
  return (point: Point) => ({
    x: PAD.left + (point.x / maxX) * (WIDTH - PAD.left - PAD.right),
    y:
      HEIGHT -
      PAD.bottom -
      ((point.passed - bottom) / (maxTotal - bottom)) * (HEIGHT - PAD.top - PAD.bottom),
  });
}

function Axes({ data }: { data: Scatter }) {
  const maxTotal = Math.max(...data.points.map((point) => point.total));
  const maxX = Math.max(...data.points.map((point) => point.x));
  const [left, bottom] = [PAD.left, HEIGHT - PAD.bottom];
  return (
    <g className={styles.axes}>
      <path d={`M${left} ${PAD.top - 4}V${bottom}H${WIDTH - PAD.right + 8}`} />
      <text x={left - 6} y={PAD.top + 4} textAnchor="end">
        {maxTotal}
      </text>
      <text x={left} y={HEIGHT - 8}>
        0
      </text>
      <text x={WIDTH - PAD.right + 8} y={HEIGHT - 8} textAnchor="end">
        {formatAmount(data.unit, maxX)}
      </text>
    </g>
  );
}

function PointMark({ point, at }: { point: Point; at: { x: number; y: number } }) {
  const colour = `var(--variation-${((point.number - 1) % 8) + 1})`;
  return (
    <g className={styles.dot} style={{ color: colour }} transform={`translate(${at.x} ${at.y})`}>
      {point.breaksNothing ? (
        <circle r="8" />
      ) : (
        <rect x="-8" y="-8" width="16" height="16" rx="2" />
      )}
      <text textAnchor="middle" y="3.5">
        {point.number}
      </text>
    </g>
  );
}

const PHASES = ["waiting", "working", "checking"] as const;

/** Bar chart of each variation's time by phase. */
export function TimeChart({ details }: { details: RunDetails }) {
  const data = phases(details, details.variations);
  if (data.length === 0) return null;
  const longest = Math.max(...data.map(totalSeconds), 1);
  return (
    <figure className={styles.chart}>
      <figcaption>
        Time by phase
        <span className={styles.legend}>
          {PHASES.map((phase) => (
            <span key={phase} data-phase={phase}>
              {phase}
            </span>
          ))}
        </span>
      </figcaption>
      <ul className={styles.bars}>
        {data.map((each) => (
          <li key={each.number}>
            <span className="num dim">
              <span className="visually-hidden">Variation </span>
              {each.number}
            </span>
            <span className={styles.bar} aria-hidden="true">
              {PHASES.map((phase) => (
                <span
                  key={phase}
                  data-phase={phase}
                  style={{ width: `${(each[phase] / longest) * 100}%` }}
                />
              ))}
            </span>
            <span className="num dim">
              <span className="visually-hidden">{phaseText(each)}</span>
              <span aria-hidden="true">{formatShortDuration(totalSeconds(each) * 1000)}</span>
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function totalSeconds(each: Phases): number {
  return each.waiting + each.working + each.checking;
}

function phaseText(each: Phases): string {
  return PHASES.map((phase) => `${phase} ${formatShortDuration(each[phase] * 1000)}`).join(", ");
}
