/** A lane's state in a word, a glyph and a tone. */
import type { Doing, Lane, Word } from "../stream/types";
import type { Tone } from "../ui/chip";
import { line } from "../ui/plain";

interface Sign {
  readonly glyph: string;
  readonly tone: Tone;
}

const SIGNS: Readonly<Record<Word, Sign>> = {
  queued: { glyph: "○", tone: "plain" },
  cloning: { glyph: "◌", tone: "work" },
  starting: { glyph: "◌", tone: "work" },
  thinking: { glyph: "●", tone: "work" },
  writing: { glyph: "●", tone: "work" },
  waiting: { glyph: "●", tone: "work" },
  working: { glyph: "●", tone: "work" },
  running: { glyph: "●", tone: "work" },
  reading: { glyph: "●", tone: "work" },
  editing: { glyph: "●", tone: "work" },
  searching: { glyph: "●", tone: "work" },
  checking: { glyph: "◐", tone: "work" },
  done: { glyph: "✓", tone: "good" },
  failed: { glyph: "✗", tone: "bad" },
  stopped: { glyph: "■", tone: "warn" },
};

export function sign(doing: Doing): Sign {
  return SIGNS[doing.word];
}

/** What it is doing, in full: `running pytest -q`. */
export function sentence(doing: Doing): string {
  if (doing.word === "waiting") return "waiting for the model";
  if (doing.word === "cloning") return "fetching the repository";
  return "what" in doing && doing.what !== "" ? `${doing.word} ${line(doing.what)}` : doing.word;
}

export function isSettled(lane: Lane): boolean {
  return lane.endedAt !== null;
}

/** Agent, model, effort: the seat in a line. */
export function seatName(lane: Lane): string {
  const { agent = "builtin", model, effort } = lane.seat;
  return line([agent, model ?? lane.model, effort].filter(Boolean).join(" · "));
}

/** How its tests stand: what the verdict says, or what has been run so far. */
export function tests(lane: Lane): {
  readonly good: number;
  readonly bad: number;
  readonly final: boolean;
} {
  const rows = lane.verdict?.checks ?? [];
  if (lane.verdict) {
    const good = rows.filter(
      (row) => row.change === "fixed" || row.change === "still_passing",
    ).length;
    return { good, bad: rows.length - good, final: true };
  }
  const good = lane.checks.filter((each) => each.exit_code === 0).length;
  return { good, bad: lane.checks.length - good, final: false };
}
