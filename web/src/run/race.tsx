import { setQuery } from "../app/router";
import type { RunView } from "../stream/types";
import { Button } from "../ui/button";
import { duration } from "../ui/format";
import styles from "./race.module.css";
import { Timeline } from "./timeline";
import { type Player, SPEEDS } from "./use-replay";

interface Props {
  readonly view: RunView;
  readonly player: Player | null;
}

/** The race on one clock; when it is over, the way back through it. */
export function Race({ view, player }: Props) {
  return (
    <section className={styles.race} aria-label="Timeline">
      <Timeline view={view} at={player?.at ?? null} />
      {view.status !== null && (
        <div className={styles.controls}>
          {player ? (
            <Controls player={player} />
          ) : (
            <Button size="s" icon="play" onClick={() => setQuery({ at: "0" })}>
              Replay
            </Button>
          )}
        </div>
      )}
    </section>
  );
}

/** How far an arrow key moves. */
const STEP_MS = 100;

function Controls({ player }: { player: Player }) {
  return (
    <>
      <Button size="s" icon={player.playing ? "pause" : "play"} bare onClick={player.toggle}>
        {player.playing ? "Pause" : "Play"}
      </Button>
      <input
        className={styles.slider}
        type="range"
        aria-label="Moment of the run"
        aria-valuetext={duration(player.at)}
        min={0}
        max={Math.max(1, Math.ceil(player.length / STEP_MS)) * STEP_MS}
        step={STEP_MS}
        value={player.at}
        onChange={(event) => player.seek(Number(event.target.value))}
      />
      <span className="num">{`${duration(player.at)} / ${duration(player.length)}`}</span>
      <span className={styles.speeds}>
        {SPEEDS.map((speed) => (
          <Button
            key={speed}
            look="quiet"
            size="s"
            aria-pressed={player.speed === speed}
            onClick={() => player.setSpeed(speed)}
          >
            {`${speed}×`}
          </Button>
        ))}
      </span>
      <Button look="quiet" size="s" onClick={player.leave}>
        Back to the end
      </Button>
      {player.error && <span role="alert">{player.error.message}</span>}
    </>
  );
}
