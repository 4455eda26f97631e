/** What a run looks like to a watcher: the reduction of its events. Only `reduce.ts` writes it. */
import type {
  AgentSpec,
  Check,
  CheckResult,
  DiffContent,
  Event,
  Evidence,
  Isolation,
  Part,
  PlanEntry,
  Publication,
  Ranking,
  RunStatus,
  Selected,
  TextContent,
  Usage,
  Verdict,
} from "../api/schema.gen";

export type EventBody = Event["body"];
export type EventKind = EventBody["kind"];
export type Seq = number;
/** Milliseconds since 1970, from the events' own clock. */
export type Timestamp = number;

interface EntryBase {
  /** Unique in its lane, and stable: what a list may use as its key. */
  readonly id: string;
  readonly at: Timestamp;
  /** When it was last heard of. */
  updatedAt: Timestamp;
  /** Goes up with each change, so that a row knows whether to draw itself again. */
  revision: number;
}

export interface TextEntry extends EntryBase {
  readonly type: "text";
  readonly channel: "message" | "thought";
  text: string;
}

export type ToolContent = TextContent | DiffContent;
export type ToolStatus = "pending" | "in_progress" | "completed" | "failed";

export interface ToolCallEntry extends EntryBase {
  readonly type: "tool";
  title: string;
  toolKind: string;
  status: ToolStatus;
  content: readonly ToolContent[];
  paths: readonly string[];
  input: unknown;
  output: unknown;
}

export interface CheckEntry extends EntryBase {
  readonly type: "check";
  readonly result: CheckResult;
}

export interface NoteEntry extends EntryBase {
  readonly type: "note";
  readonly tone: "plain" | "trouble" | "failure";
  readonly title: string;
  readonly text: string;
}

export type TranscriptEntry = TextEntry | ToolCallEntry | CheckEntry | NoteEntry;

/** What a lane is activity, as the log says: never a guess from silence. */
export type Activity =
  | {
      readonly state:
        | "queued"
        | "cloning"
        | "starting"
        | "thinking"
        | "writing"
        | "waiting"
        | "checking"
        | "done";
    }
  | {
      readonly state: "running" | "reading" | "editing" | "searching" | "working";
      readonly detail: string;
    }
  | { readonly state: "failed" | "stopped"; readonly detail: string };

export type ActivityState = Activity["state"];

export interface VariationView {
  readonly number: number;
  agent: AgentSpec;
  activity: Activity;
  /** When the present activity began. */
  activitySince: Timestamp;
  attempt: number;
  startedAt: Timestamp | null;
  endedAt: Timestamp | null;
  entries: TranscriptEntry[];
  /** The same entries by their id. */
  readonly entriesById: Map<string, TranscriptEntry>;
  /** Where the present turn's entries begin: a new attempt at a turn drops what the earlier one said. */
  turnStart: number;
  turns: number;
  followUp: string | null;
  plan: readonly PlanEntry[];
  usage: Usage;
  model: string | null;
  toolCalls: number;
  /** Files that tools have changed so far; the verdict counts exactly. */
  changedFiles: Set<string>;
  checks: CheckResult[];
  verdict: Verdict | null;
  isolation: Isolation | null;
  /** What it was put together from; empty for an agent's own work. */
  composed: readonly Part[];
  /** Why a person lets its flags pass. */
  cleared: string | null;
  revision: number;
}

export interface RunView {
  lastSeq: Seq;
  /** The kind of the newest event: after `complete` nothing more comes by itself. */
  lastKind: EventKind | null;
  repoUrl: string;
  commit: string | null;
  prompt: string;
  checks: readonly Check[];
  checksGuessed: boolean;
  reusedFrom: string | null;
  variations: VariationView[];
  baseline: CheckResult[];
  setup: CheckResult[];
  evidence: Evidence | null;
  ranking: Ranking | null;
  publication: Publication | null;
  selected: Selected | null;
  /** What `complete` said; null while the run is at work. */
  status: RunStatus | null;
  error: string | null;
  firstAt: Timestamp | null;
  lastAt: Timestamp | null;
  revision: number;
}
