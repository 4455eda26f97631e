import { Suspense, useCallback, useState } from "react";
import type { RunDetails } from "../api/schema.gen";
import { redirectToLogin } from "../app/api-query";
import { useDocumentTitle } from "../app/document-title";
import { useKeyCommands } from "../app/key-commands";
import { lazyComponent } from "../app/lazy-component";
import { Link, navigate, type PathParams, setQueryValues, useQueryValue } from "../app/router";
import { currentView } from "../stream/current-view";
import type { RunStream } from "../stream/run-stream";
import type { RunView } from "../stream/run-view";
import { useRunDetails } from "../stream/use-run-details";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { ReplayTime } from "../ui/use-now";
import { visibleLine } from "../ui/visible-text";
import { HostQuestions } from "./host-questions";
import { PreparationPanel } from "./preparation-panel";
import { RunHeader } from "./run-header";
import styles from "./run-page.module.css";
import { RunResult } from "./run-result";
import { SearchBar, useTranscriptSearch } from "./search-bar";
import { StatusAnnouncer } from "./status-announcer";
import { TranscriptFilter } from "./transcript-search";
import { useReplayPlayer } from "./use-replay-player";
import { VariationGrid } from "./variation-grid";

const Workbench = lazyComponent(() =>
  import("../workbench/workbench").then((module) => module.Workbench),
);
const TimelinePanel = lazyComponent(() =>
  import("./timeline-panel").then((module) => module.TimelinePanel),
);

export function RunPage({ params }: { params: PathParams }) {
  const id = params.id ?? "";
  const { details, stream } = useRunDetails(id);
  const { view, connection } = stream;
  if (connection.state === "refused" && connection.why === "gone") {
    return (
      <EmptyState top title="Run not found">
        <p>It may belong to another server, or the address may be incomplete.</p>
        <Link href="/">Go to the runs</Link>
      </EmptyState>
    );
  }
  if (details.isError) redirectToLogin(details.error);
  if (view.lastSeq === 0 && !details.data) {
    if (!details.isError) return <LoadingSkeleton />;
    return <LoadError error={details.error} retry={() => void details.refetch()} />;
  }
  return <LiveRun id={id} stream={stream} details={details.data} />;
}

interface LiveRunProps {
  readonly id: string;
  readonly stream: RunStream;
  readonly details: RunDetails | undefined;
}

function LiveRun({ id, stream, details }: LiveRunProps) {
  const view = currentView(stream.view, details);
  const focus = useFocus(view.variations.length);
  const [current, setCurrent] = useState(1);
  const [timeline, setTimeline] = useQueryValue("race");
  const workbench = useOpenWorkbench();
  const opened =
    view.variations[(variationNumber(workbench.value, view.variations.length) ?? 0) - 1];
  useDocumentTitle(runTitle(view));
  const player = useReplayPlayer(id, view.status !== null);
  const shown = player?.view ?? view;
  const search = useTranscriptSearch();
  const toggleTimeline = () => setTimeline(timeline === null ? "1" : null);
  useKeyCommands([{ key: "t", description: "Show or hide the timeline", run: toggleTimeline }]);
  useKeyCommands([
    {
      key: "`",
      description: "Open a terminal in the variation",
      run: () => workbench.open(focus ?? current),
    },
  ]);
  useVariationKeys(view.variations.length, current, setCurrent, focus);

  return (
    <div className={styles.page}>
      <RunHeader
        id={id}
        stream={stream}
        view={view}
        details={details}
        onTimeline={toggleTimeline}
      />
      {!player && <HostQuestions id={id} asked={view.askedHosts} />}
      <RunResult id={id} view={shown} details={player ? undefined : details} />
      {(timeline !== null || player) && (
        <Suspense>
          <TimelinePanel view={view} player={player} />
        </Suspense>
      )}
      <SearchBar />
      <ReplayTime value={player ? (view.firstAt ?? 0) + player.at : null}>
        <TranscriptFilter value={search}>
          <VariationGrid
            runId={id}
            stream={stream}
            view={shown}
            isPast={player !== null}
            current={current}
            onCurrent={setCurrent}
            focus={focus}
            onFocus={setFocus}
            onWorkbench={workbench.open}
          />
        </TranscriptFilter>
      </ReplayTime>
      {/* Below the lanes, which do not move when it goes. */}
      {!player && <PreparationPanel view={view} />}
      {opened && !player && (
        <Suspense>
          <Workbench
            key={opened.number}
            runId={id}
            number={opened.number}
            turn={`${opened.attempt} ${opened.startedAt} ${opened.endedAt}`}
            terminalRequests={workbench.terminalRequests}
          />
        </Suspense>
      )}
      <StatusAnnouncer view={view} />
    </div>
  );
}

/** Return the title of the tab; a dot tells that the run is in progress. */
function runTitle({ status, prompt }: RunView): string {
  return `${status === null ? "● " : ""}${visibleLine(prompt)}`;
}

/**
 * Variation whose workbench is open (query parameter `bench`), and how often a terminal was
 * requested.
 */
function useOpenWorkbench() {
  const [value] = useQueryValue("bench");
  const [terminalRequests, setTerminalRequests] = useState(0);
  const open = useCallback((variation: number) => {
    setQueryValues({ bench: String(variation), show: null });
    setTerminalRequests((before) => before + 1);
  }, []);
  return { value, terminalRequests, open };
}

/** Variation that fills the page (query parameter `focus`); null shows all. */
function useFocus(variations: number): number | null {
  const [value] = useQueryValue("focus");
  return variationNumber(value, variations);
}

function setFocus(variation: number | null): void {
  setQueryValues({ focus: variation === null ? null : String(variation) });
}

function variationNumber(value: string | null, variations: number): number | null {
  const number = Number(value);
  return Number.isInteger(number) && number >= 1 && number <= variations ? number : null;
}

function useVariationKeys(
  count: number,
  current: number,
  setCurrent: (variation: number) => void,
  focus: number | null,
): void {
  const go = (variation: number) => {
    const next = Math.min(Math.max(variation, 1), count);
    setCurrent(next);
    if (focus !== null) setFocus(next);
    document
      .getElementById(`variation-${next}`)
      ?.scrollIntoView({ inline: "nearest", block: "nearest" });
  };
  useKeyCommands([
    { key: "j", description: "Next variation", run: () => go(current + 1) },
    { key: "k", description: "Previous variation", run: () => go(current - 1) },
    {
      key: "f",
      description: "Focus one variation, or show all",
      run: () => setFocus(focus === null ? current : null),
    },
    { key: "Escape", description: "Show all variations", run: () => setFocus(null) },
    {
      key: "d",
      description: "Compare the variations",
      run: () => navigate(`${location.pathname}/compare`),
    },
    ...Array.from({ length: Math.min(count, 9) }, (_, index) => ({
      key: String(index + 1),
      description: `Focus variation ${index + 1}`,
      run: () => {
        setCurrent(index + 1);
        setFocus(index + 1);
      },
    })),
  ]);
}
