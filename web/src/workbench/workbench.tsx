import { Suspense, useEffect, useRef, useState } from "react";
import { lazyComponent } from "../app/lazy-component";
import { setQueryValues } from "../app/router";
import { Button } from "../ui/button";
import { VariationBadge } from "../ui/chip";
import { ErrorNotice, LoadingSkeleton } from "../ui/page-states";
import { Tabs } from "../ui/tabs";
import { PreviewForm, PreviewView } from "./preview-view";
import {
  itemLabel,
  PREVIEW_FORM,
  placeText,
  useWorkbench,
  type WorkbenchState,
} from "./use-workbench";
import styles from "./workbench.module.css";

const TerminalView = lazyComponent(() =>
  import("./terminal-view").then((module) => module.TerminalView),
);

interface Props {
  readonly runId: string;
  readonly number: number;
  /** Changes with each start and end of a turn, and with it what can be opened. */
  readonly turn: string;
  /** Increases when the user requests a terminal: one is opened if there is none. */
  readonly terminalRequests: number;
}

/** Workbench of a variation: terminals in its sandbox, and previews of what its project serves. */
export function Workbench({ runId, number, turn, terminalRequests }: Props) {
  const workbench = useWorkbench(runId, number, turn);
  const { items, selected, isPreviewForm, select } = workbench;
  const [tall, setTall] = useState(false);
  const ref = useRef<HTMLElement>(null);
  useFirstTerminal(workbench, terminalRequests);
  const tabs = [
    ...items.map((item) => ({
      id: item.key,
      label: <span className={styles.tab}>{itemLabel(item)}</span>,
    })),
    ...(isPreviewForm ? [{ id: PREVIEW_FORM, label: "New preview" }] : []),
  ];
  const leave = () => {
    const tab = ref.current?.querySelector<HTMLElement>("[role=tab][aria-selected=true]");
    (tab ?? ref.current?.querySelector("button"))?.focus();
  };
  return (
    <section
      ref={ref}
      className={styles.workbench}
      data-tall={tall || undefined}
      aria-label={`Workbench of variation ${number}`}
    >
      <div className={styles.openButtons}>
        <VariationBadge number={number} />
        <Button
          size="s"
          icon="terminal"
          disabled={!workbench.query.data?.place}
          onClick={() => void workbench.open()}
        >
          New terminal
        </Button>
        <Button
          size="s"
          icon="window"
          disabled={!workbench.query.data?.place}
          onClick={() => select(PREVIEW_FORM)}
        >
          New preview
        </Button>
      </div>
      <div className={styles.windowButtons}>
        <Button
          variant="quiet"
          size="s"
          icon={tall ? "down" : "expand"}
          iconOnly
          onClick={() => setTall(!tall)}
        >
          {tall ? "Shrink the workbench" : "Enlarge the workbench"}
        </Button>
        <Button
          variant="quiet"
          size="s"
          icon="close"
          iconOnly
          onClick={() => closeWorkbench(number)}
        >
          Close the workbench
        </Button>
      </div>
      {workbench.error && <ErrorNotice error={workbench.error} />}
      {tabs.length > 0 ? (
        <Tabs
          label="Terminals and previews"
          tabs={tabs}
          value={isPreviewForm ? PREVIEW_FORM : (selected?.key ?? "")}
          onChange={select}
        >
          <SelectedItem
            workbench={workbench}
            number={number}
            wantsKeys={terminalRequests > 0}
            onLeave={leave}
          />
        </Tabs>
      ) : (
        <EmptyWorkbench workbench={workbench} number={number} />
      )}
    </section>
  );
}

/** Close the workbench and return the focus to the variation. */
function closeWorkbench(number: number): void {
  setQueryValues({ bench: null, show: null });
  document.querySelector<HTMLElement>(`#variation-${number} button`)?.focus();
}

/** Open a terminal on request, once it is known that there is none. */
function useFirstTerminal({ query, items, open }: WorkbenchState, terminalRequests: number): void {
  const answered = useRef(0);
  const isNeeded = query.data?.place != null && !items.some((item) => item.kind === "terminal");
  // biome-ignore lint/correctness/useExhaustiveDependencies: each request is handled once
  useEffect(() => {
    if (!query.data || terminalRequests === answered.current) return;
    answered.current = terminalRequests;
    if (isNeeded) void open();
  }, [terminalRequests, query.data === undefined]);
}

function EmptyWorkbench({
  workbench: { query },
  number,
}: {
  workbench: WorkbenchState;
  number: number;
}) {
  if (!query.data) return query.error ? <ErrorNotice error={query.error} /> : <LoadingSkeleton />;
  const { place, reason } = query.data;
  return <p className={styles.placeholder}>{place ? placeText(place, number) : reason}</p>;
}

interface SelectedItemProps {
  readonly workbench: WorkbenchState;
  readonly number: number;
  readonly wantsKeys: boolean;
  readonly onLeave: () => void;
}

function SelectedItem({ workbench, number, wantsKeys, onLeave }: SelectedItemProps) {
  const [ports, setPorts] = useState<readonly number[]>([]);
  const { selected, isPreviewForm } = workbench;
  if (isPreviewForm) return <PreviewForm ports={ports} onShow={workbench.preview} />;
  if (!selected) return null;
  const stop = async () => {
    await workbench.close(selected);
    requestAnimationFrame(onLeave);
  };
  if (selected.kind === "preview")
    return (
      <PreviewView
        key={selected.preview.id}
        preview={selected.preview}
        number={number}
        onStop={stop}
      />
    );
  return (
    <Suspense fallback={<LoadingSkeleton />}>
      <TerminalView
        key={selected.terminal.id}
        terminal={selected.terminal}
        wantsKeys={wantsKeys || selected.terminal.id === workbench.createdId}
        onPorts={(found) => setPorts((known) => [...new Set([...known, ...found])])}
        onLeave={onLeave}
        onAgain={() => void workbench.reopen(selected.terminal)}
        onClose={stop}
      />
    </Suspense>
  );
}
