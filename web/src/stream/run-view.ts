/** View of a run: the reduction of its events. Only the `reduce-*.ts` modules write it. */
import type {
  AgentSpec,
  Check,
  CheckResult,
  Command,
  ComposedPart,
  DiffContent,
  Event,
  Evidence,
  HostAsked,
  PlanEntry,
  Publication,
  Ranking,
  RunStatus,
  Selected,
  SetupOutput,
  SetupRan,
  TextContent,
  Usage,
  Verdict,
} from "../api/schema.gen";

export type EventBody = Event["body"];
export type EventKind = NonNullable<EventBody["kind"]>;
/** Milliseconds since 1970, from the events' own clock. */
export type Timestamp = number;

interface EntryBase {
  /** Unique within its variation and stable, for use as a list key. */
  readonly id: string;
  readonly at: Timestamp;
  /** Time of the newest event about this entry. */
  updatedAt: Timestamp;
  /** Increases with each change, so that a row knows when to render again. */
  revision: number;
}

export interface TextEntry extends EntryBase {
  readonly type: "text";
  readonly channel: "message" | "thought";
  text: string;
}

type ToolContent = TextContent | DiffContent;
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
  readonly tone: "info" | "warning" | "failure";
  readonly title: string;
  readonly text: string;
}

export type TranscriptEntry = TextEntry | ToolCallEntry | CheckEntry | NoteEntry;

/** What a variation is doing, as its events tell. It is never inferred from silence. */
export type Activity =
  | {
      readonly state:
        | "queued"
        | "cloning"
        | "starting"
        | "launching"
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
  /** Start of the present activity. */
  activitySince: Timestamp;
  attempt: number;
  startedAt: Timestamp | null;
  endedAt: Timestamp | null;
  entries: TranscriptEntry[];
  /** The entries by id. */
  readonly entriesById: Map<string, TranscriptEntry>;
  /** Index of the present turn's first entry. A new attempt removes the entries from here on. */
  turnStart: number;
  turns: number;
  followUp: string | null;
  plan: readonly PlanEntry[];
  usage: Usage;
  model: string | null;
  /** Files that tool calls have changed so far; the verdict has the exact number. */
  changedFiles: Set<string>;
  checks: CheckResult[];
  verdict: Verdict | null;
  /** Parts of a composition; empty for an agent's own work. */
  composed: readonly ComposedPart[];
  /** Reason given when its flags were cleared. */
  cleared: string | null;
  revision: number;
}

/** What is known of the steps before the agents start. */
export interface Preparation {
  /** When the repository was there. */
  readonly fetchedAt: Timestamp | null;
  readonly setupCommands: readonly Command[];
  /** Set-up commands that ended. */
  readonly setup: readonly SetupRan[];
  /** When the newest of them ended. */
  readonly setupAt: Timestamp | null;
  /** The set-up command that runs, and the newest line that it printed. */
  readonly output: SetupOutput | null;
  /** When the newest check of the base ended. */
  readonly checkedAt: Timestamp | null;
}

/** An act of a person after the end of the work. */
export interface Decision {
  readonly kind: "selected" | "deselected" | "published";
  readonly at: Timestamp;
}

export interface RunView {
  lastSeq: number;
  /** Kind of the newest event. No event follows `complete` until a person acts. */
  lastKind: EventKind | null;
  repoUrl: string;
  folder: string;
  commit: string | null;
  prompt: string;
  checks: readonly Check[];
  variations: VariationView[];
  baseline: CheckResult[];
  /** The steps before the agents. */
  preparation: Preparation;
  /** Hosts that set-up waits for an answer about. */
  askedHosts: readonly HostAsked[];
  evidence: Evidence | null;
  ranking: Ranking | null;
  publication: Publication | null;
  selected: Selected | null;
  /** Status told by the `complete` event; null while the run is in progress. */
  status: RunStatus | null;
  error: string | null;
  firstAt: Timestamp | null;
  lastAt: Timestamp | null;
  /** When the work ended; decisions follow later. Null while the run is in progress. */
  endedAt: Timestamp | null;
  /** What people did after the end of the work. */
  decisions: readonly Decision[];
  revision: number;
}
