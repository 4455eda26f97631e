/** What a run looks like to a watcher: the reduction of its events. Only `reduce.ts` writes it. */
import type {
  AgentSpec,
  Check,
  CheckResult,
  ComposedPart,
  DiffContent,
  Event,
  Evidence,
  Isolation,
  PlanEntry,
  Publication,
  Ranking,
  RunStatus,
  Selected,
  TextContent,
  Usage,
  Verdict,
} from "../api/schema.gen";

export type Body = Event["body"];
export type Kind = Body["kind"];
export type Seq = number;
/** Milliseconds since 1970, from the events' own clock. */
export type Moment = number;

interface Base {
  /** Unique in its lane, and stable: what a list may use as its key. */
  readonly id: string;
  readonly at: Moment;
  /** When it was last heard of. */
  until: Moment;
  /** Goes up with each change, so that a row knows whether to draw itself again. */
  revision: number;
}

export interface TextEntry extends Base {
  readonly type: "text";
  readonly channel: "message" | "thought";
  text: string;
}

export type ToolContent = TextContent | DiffContent;
export type ToolStatus = "pending" | "in_progress" | "completed" | "failed";

export interface ToolEntry extends Base {
  readonly type: "tool";
  title: string;
  toolKind: string;
  status: ToolStatus;
  content: readonly ToolContent[];
  paths: readonly string[];
  input: unknown;
  output: unknown;
}

export interface CheckEntry extends Base {
  readonly type: "check";
  readonly result: CheckResult;
}

export interface NoteEntry extends Base {
  readonly type: "note";
  readonly tone: "plain" | "trouble" | "failure";
  readonly title: string;
  readonly text: string;
}

export type Entry = TextEntry | ToolEntry | CheckEntry | NoteEntry;

/** What a lane is doing, as the log says: never a guess from silence. */
export type Doing =
  | {
      readonly word:
        | "queued"
        | "cloning"
        | "starting"
        | "thinking"
        | "writing"
        | "waiting"
        | "checking"
        | "done";
    }
  | { readonly word: "running" | "reading" | "editing" | "searching" | "working"; readonly what: string }
  | { readonly word: "failed" | "stopped"; readonly what: string };

export type Word = Doing["word"];

export interface Lane {
  readonly number: number;
  seat: AgentSpec;
  doing: Doing;
  /** When the present doing began. */
  since: Moment;
  attempt: number;
  startedAt: Moment | null;
  endedAt: Moment | null;
  entries: Entry[];
  /** The same entries by their id. */
  readonly byId: Map<string, Entry>;
  /** Where the present turn's entries begin: a new attempt at a turn drops what the earlier one said. */
  turnStart: number;
  turns: number;
  followUp: string | null;
  plan: readonly PlanEntry[];
  usage: Usage;
  model: string | null;
  calls: number;
  /** Files that tools have changed so far; the verdict counts exactly. */
  touched: Set<string>;
  checks: CheckResult[];
  verdict: Verdict | null;
  isolation: Isolation | null;
  /** What it was put together from; empty for an agent's own work. */
  composed: readonly ComposedPart[];
  /** Why a person lets its flags pass. */
  cleared: string | null;
  revision: number;
}

export interface RunView {
  lastSeq: Seq;
  /** The kind of the newest event: after `complete` nothing more comes by itself. */
  lastKind: Kind | null;
  repo: string;
  commit: string | null;
  prompt: string;
  checks: readonly Check[];
  checksGuessed: boolean;
  reusedFrom: string | null;
  lanes: Lane[];
  baseline: CheckResult[];
  setup: CheckResult[];
  evidence: Evidence | null;
  ranking: Ranking | null;
  publication: Publication | null;
  selected: Selected | null;
  /** What `complete` said; null while the run is at work. */
  status: RunStatus | null;
  trouble: string | null;
  firstAt: Moment | null;
  lastAt: Moment | null;
  revision: number;
}
