import { setQueryValues } from "../app/router";
import type { RunView } from "../stream/run-view";
import { Button } from "../ui/button";
import { formatDuration } from "../ui/format";
import { Timeline } from "./timeline";
import styles from "./timeline-panel.module.css";
import { type ReplayPlayer, SPEEDS } from "./use-replay-player";

interface Props {
  readonly view: RunView;
  readonly player: ReplayPlayer | null;
}

/** Timeline of all variations, with a replay once the run has ended. */
export function TimelinePanel({ view, player }: Props) {
  return (
    <section className={styles.panel} aria-label="Timeline">
      <Timeline view={view} at={player?.at ?? null} />
      {view.status !== null && (
        <div className={styles.controls}>
          {player ? (
            <ReplayControls player={player} />
          ) : (
            <Button size="s" icon="play" onClick={() => setQueryValues({ at: "0" })}>
              Replay
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

/** Step of an arrow key on the slider. */
const STEP_MS = 100;

function ReplayControls({ player }: { player: ReplayPlayer }) {
  return (
    <>
      <Button size="s" icon={player.playing ? "pause" : "play"} iconOnly onClick={player.toggle}>
        {player.playing ? "Pause" : "Play"}
      </Button>
      <input
        className={styles.slider}
        type="range"
        aria-label="Replay position"
        aria-valuetext={formatDuration(player.at)}
        min={0}
        max={Math.max(1, Math.ceil(player.length / STEP_MS)) * STEP_MS}
        step={STEP_MS}
        value={player.at}
        onChange={(event) => player.seek(Number(event.target.value))}
      />
      <span className="num">
        {formatDuration(player.at)} / {formatDuration(player.length)}
      </span>
      <span className={styles.speeds}>
        {SPEEDS.map((speed) => (
          <Button
            key={speed}
            variant="quiet"
            size="s"
            aria-pressed={player.speed === speed}
            onClick={() => player.setSpeed(speed)}
          >
            {`${speed}×`}
          </Button>
        ))}
      </span>
      <Button variant="quiet" size="s" onClick={player.leave}>
        Leave the replay
      </Button>
      {player.error && <span role="alert">{player.error.message}</span>}
    </>
  );
}
