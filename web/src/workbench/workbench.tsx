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
  readonly asked: number;
}

/** Workbench of a variation: terminals in its sandbox, and previews of what its project serves. */
export function Workbench({ runId, number, turn, asked }: Props) {
  const handle = useWorkbench(runId, number, turn);
  const { items, shown, isForm, show } = handle;
  const [tall, setTall] = useState(false);
  const ref = useRef<HTMLElement>(null);
  useFirstTerminal(handle, asked);
  const tabs = [
    ...items.map((item) => ({
      id: item.key,
      label: <span className={styles.tab}>{itemLabel(item)}</span>,
    })),
    ...(isForm ? [{ id: PREVIEW_FORM, label: "New preview" }] : []),
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
          disabled={!handle.desk.data?.place}
          onClick={() => void handle.open()}
        >
          New terminal
        </Button>
        <Button
          size="s"
          icon="window"
          disabled={!handle.desk.data?.place}
          onClick={() => show(PREVIEW_FORM)}
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
      {handle.refused && <ErrorNotice error={handle.refused} />}
      {tabs.length > 0 ? (
        <Tabs
          label="Terminals and previews"
          tabs={tabs}
          value={isForm ? PREVIEW_FORM : (shown?.key ?? "")}
          onChange={show}
        >
          <SelectedItem handle={handle} number={number} wantsKeys={asked > 0} onLeave={leave} />
        </Tabs>
      ) : (
        <EmptyWorkbench handle={handle} number={number} />
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
function useFirstTerminal({ desk, items, open }: WorkbenchState, asked: number): void {
  const answered = useRef(0);
  const isNeeded = desk.data?.place != null && !items.some((item) => item.what === "terminal");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the question is the reason, and it is answered once
  useEffect(() => {
    if (!desk.data || asked === answered.current) return;
    answered.current = asked;
    if (isNeeded) void open();
  }, [asked, desk.data === undefined]);
}

function EmptyWorkbench({ handle: { desk }, number }: { handle: WorkbenchState; number: number }) {
  if (!desk.data) return desk.error ? <ErrorNotice error={desk.error} /> : <LoadingSkeleton />;
  const { place, reason } = desk.data;
  return <p className={styles.placeholder}>{place ? placeText(place, number) : reason}</p>;
}

interface ShownProps {
  readonly handle: WorkbenchState;
  readonly number: number;
  readonly wantsKeys: boolean;
  readonly onLeave: () => void;
}

function SelectedItem({ handle, number, wantsKeys, onLeave }: ShownProps) {
  const [ports, setPorts] = useState<readonly number[]>([]);
  const { shown, isForm } = handle;
  if (isForm) return <PreviewForm ports={ports} onShow={handle.preview} />;
  if (!shown) return null;
  const stop = async () => {
    await handle.close(shown);
    requestAnimationFrame(onLeave);
  };
  if (shown.what === "preview")
    return (
      <PreviewView key={shown.preview.id} preview={shown.preview} number={number} onStop={stop} />
    );
  return (
    <Suspense fallback={<LoadingSkeleton />}>
      <TerminalView
        key={shown.terminal.id}
        terminal={shown.terminal}
        wantsKeys={wantsKeys || shown.terminal.id === handle.made}
        onPorts={(found) => setPorts((known) => [...new Set([...known, ...found])])}
        onLeave={onLeave}
        onAgain={() => void handle.again(shown.terminal)}
        onClose={stop}
      />
    </Suspense>
  );
}
