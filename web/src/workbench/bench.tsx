import { Suspense, useEffect, useRef, useState } from "react";
import { lazily } from "../app/lazily";
import { setQuery } from "../app/router";
import { Button } from "../ui/button";
import { LaneMark } from "../ui/chip";
import { Refusal, Skeleton } from "../ui/states";
import { Tabs } from "../ui/tabs";
import styles from "./bench.module.css";
import { type DeskHandle, FORM, nameOf, useDesk, whereIs } from "./desk";
import { PreviewForm, PreviewView } from "./preview";

const TerminalView = lazily(() => import("./terminal").then((module) => module.TerminalView));

interface Props {
  readonly runId: string;
  readonly number: number;
  /** Another one with each turn and its end: what can be opened changes with it. */
  readonly turn: string;
  /** Goes up when a person asks for a terminal: one is opened if none is. */
  readonly asked: number;
}

/** Where a person tries a variation: terminals in its sandbox, and previews of what its project serves. */
export function Bench({ runId, number, turn, asked }: Props) {
  const handle = useDesk(runId, number, turn);
  const { items, shown, isForm, show } = handle;
  const [tall, setTall] = useState(false);
  const ref = useRef<HTMLElement>(null);
  useFirstTerminal(handle, asked);
  const tabs = [
    ...items.map((item) => ({
      id: item.key,
      label: <span className={styles.tab}>{nameOf(item)}</span>,
    })),
    ...(isForm ? [{ id: FORM, label: "New preview" }] : []),
  ];
  const leave = () => {
    const tab = ref.current?.querySelector<HTMLElement>("[role=tab][aria-selected=true]");
    (tab ?? ref.current?.querySelector("button"))?.focus();
  };
  return (
    <section
      ref={ref}
      className={styles.bench}
      data-tall={tall || undefined}
      aria-label={`Workbench of variation ${number}`}
    >
      <div className={styles.make}>
        <LaneMark number={number} />
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
          onClick={() => show(FORM)}
        >
          New preview
        </Button>
      </div>
      <div className={styles.window}>
        <Button
          look="quiet"
          size="s"
          icon={tall ? "down" : "expand"}
          bare
          onClick={() => setTall(!tall)}
        >
          {tall ? "Make the workbench smaller" : "Make the workbench larger"}
        </Button>
        <Button look="quiet" size="s" icon="close" bare onClick={() => close(number)}>
          Hide the workbench
        </Button>
      </div>
      {handle.refused && <Refusal error={handle.refused} />}
      {tabs.length > 0 ? (
        <Tabs
          label="Terminals and previews"
          tabs={tabs}
          value={isForm ? FORM : (shown?.key ?? "")}
          onChange={show}
        >
          <Shown handle={handle} number={number} wantsKeys={asked > 0} onLeave={leave} />
        </Tabs>
      ) : (
        <Nothing handle={handle} number={number} />
      )}
    </section>
  );
}

/** The keyboard goes back to where it came from. */
function close(number: number): void {
  setQuery({ bench: null, show: null });
  document.querySelector<HTMLElement>(`#lane-${number} button`)?.focus();
}

/** Whoever asks for a terminal gets one, once it is known that there is none. */
function useFirstTerminal({ desk, items, open }: DeskHandle, asked: number): void {
  const answered = useRef(0);
  const isNeeded = desk.data?.place != null && !items.some((item) => item.what === "terminal");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the question is the reason, and it is answered once
  useEffect(() => {
    if (!desk.data || asked === answered.current) return;
    answered.current = asked;
    if (isNeeded) void open();
  }, [asked, desk.data === undefined]);
}

function Nothing({ handle: { desk }, number }: { handle: DeskHandle; number: number }) {
  if (!desk.data) return desk.error ? <Refusal error={desk.error} /> : <Skeleton />;
  const { place, reason } = desk.data;
  return <p className={styles.nothing}>{place ? whereIs(place, number) : reason}</p>;
}

interface ShownProps {
  readonly handle: DeskHandle;
  readonly number: number;
  readonly wantsKeys: boolean;
  readonly onLeave: () => void;
}

function Shown({ handle, number, wantsKeys, onLeave }: ShownProps) {
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
    <Suspense fallback={<Skeleton />}>
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
