import type { Lane } from "../stream/types";
import { LaneMark } from "../ui/chip";
import styles from "./rail.module.css";
import { seatName, sentence, sign } from "./words";

interface Props {
  readonly lanes: readonly Lane[];
  readonly current: number;
  readonly onPick: (lane: number) => void;
}

/** Every variation in a line: a list beside the focus, tabs on a phone. */
export function Rail({ lanes, current, onPick }: Props) {
  return (
    <nav className={styles.rail} aria-label="Variations">
      {lanes.map((lane) => (
        <button
          key={lane.number}
          type="button"
          className={styles.item}
          aria-current={lane.number === current ? "true" : undefined}
          onClick={() => onPick(lane.number)}
        >
          <LaneMark number={lane.number} />
          <span className={styles.name}>{seatName(lane)}</span>
          <span className={styles.doing}>
            <span aria-hidden="true">{sign(lane.doing).glyph} </span>
            {sentence(lane.doing)}
          </span>
        </button>
      ))}
    </nav>
  );
}
