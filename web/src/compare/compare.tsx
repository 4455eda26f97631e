import { useMemo, useState } from "react";
import { ApiError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import { useKeys } from "../app/keys";
import { goToLogin } from "../app/query";
import { Link, navigate, type Params, useQueryValue } from "../app/router";
import { ChooseDialog } from "../decide/choose";
import { ClearDialog } from "../decide/clear-dialog";
import { Decided } from "../decide/decided";
import type { RunStream } from "../stream/stream";
import { useDetails } from "../stream/use-run";
import { LaneMark } from "../ui/chip";
import { repoName, shortId } from "../ui/format";
import { line } from "../ui/plain";
import { Prose } from "../ui/prose";
import { Empty, Failed, Skeleton } from "../ui/states";
import { CostChart, TimeChart } from "./charts-view";
import { Code } from "./code";
import { columnsOf } from "./columns";
import styles from "./compare.module.css";
import { Matrix } from "./matrix-view";
import { isOpen } from "./names";
import { TrayBar } from "./tray-view";
import { useTray } from "./use-tray";
import { VerdictHead } from "./verdict";

/** The core of the product: from the end of a run to an informed pick. */
export function ComparePage({ params }: { params: Params }) {
  const id = params.id ?? "";
  const { details, stream } = useDetails(id);
  if (details.isPending) return <Skeleton />;
  if (details.isError) {
    goToLogin(details.error);
    if (details.error instanceof ApiError && details.error.status === 404)
      return (
        <Empty title="There is no such run">
          It may belong to another server, or the address is cut short.
        </Empty>
      );
    return <Failed error={details.error} retry={() => void details.refetch()} />;
  }
  return <Comparison details={details.data} stream={stream} />;
}

/** What is asked in a dialog: the choice (of a variation, or of none yet), or a word on a variation's flags. */
type Asking =
  | { readonly what: "choose"; readonly number: number | null }
  | { readonly what: "clear"; readonly number: number };

function Comparison({ details, stream }: { details: RunDetails; stream: RunStream }) {
  const [asking, setAsking] = useState<Asking | null>(null);
  const choose = (number: number | null) => setAsking({ what: "choose", number });
  const [wanted, setWanted] = useWanted(details);
  const columns = useMemo(() => columnsOf(details, wanted), [details, wanted]);
  const [cell, setCell] = useQueryValue("cell");
  const tray = useTray(details.id);
  useKeys([
    ...(isOpen(details)
      ? [
          {
            key: "w",
            does: "Choose the winner",
            run: () => choose(details.ranking?.recommended ?? null),
          },
        ]
      : []),
    { key: "Escape", does: "Close the panel", run: () => setCell(null) },
    { key: "d", does: "To the code", run: () => document.getElementById("code")?.scrollIntoView() },
    {
      key: "t",
      does: "To the tests",
      run: () => document.getElementById("tests")?.scrollIntoView(),
    },
    { key: "l", does: "Watch the run", run: () => navigate(`/runs/${details.id}`) },
  ]);
  return (
    <div className={styles.page}>
      <Head details={details} />
      <div className={styles.top}>
        <div className={styles.answer}>
          <VerdictHead details={details} onChoose={choose} />
          <Decided details={details} stream={stream} />
        </div>
        <aside className={styles.charts} aria-label="Figures">
          <CostChart details={details} />
          <TimeChart details={details} />
        </aside>
      </div>
      <section id="tests" className={styles.section} aria-label="Evidence">
        <header className={styles.sectionHead}>
          <h2>Evidence</h2>
          <Filter details={details} wanted={wanted} onChange={setWanted} />
        </header>
        <Matrix
          details={details}
          columns={columns}
          view={stream.view}
          open={cell}
          onOpen={setCell}
          onChoose={choose}
        />
      </section>
      <section id="code" className={styles.section} aria-label="Code">
        <header className={styles.sectionHead}>
          <h2>Code</h2>
        </header>
        <Code
          details={details}
          columns={columns}
          tray={tray}
          onClear={(number) => setAsking({ what: "clear", number })}
        />
      </section>
      <TrayBar details={details} tray={tray} stream={stream} />
      {asking?.what === "choose" && (
        <ChooseDialog details={details} first={asking.number} onClose={() => setAsking(null)} />
      )}
      {asking?.what === "clear" && (
        <ClearDialog details={details} number={asking.number} onClose={() => setAsking(null)} />
      )}
    </div>
  );
}

function Head({ details }: { details: RunDetails }) {
  return (
    <header className={styles.head}>
      <p className={styles.where}>
        <Link href={`/runs/${details.id}`}>← watch</Link>
        <span className="clip">{line(repoName(details.spec.repo_url ?? ""))}</span>
        {details.commit && <code title={details.commit}>{details.commit.slice(0, 8)}</code>}
        <span className="mono dim" title={details.id}>
          {shortId(details.id)}
        </span>
      </p>
      <h1>
        <Prose>{details.spec.prompt}</Prose>
      </h1>
    </header>
  );
}

/** Which variations are shown, in the address; null is all. */
function useWanted(
  details: RunDetails,
): [readonly number[] | null, (wanted: readonly number[] | null) => void] {
  const [value, setValue] = useQueryValue("a");
  const wanted = useMemo(() => {
    const found = (value ?? "").split(",").map(Number);
    const known = found.filter((number) =>
      details.variations.some((each) => each.number === number),
    );
    return known.length > 0 ? known : null;
  }, [value, details.variations]);
  return [wanted, (next) => setValue(next === null ? null : next.join(","))];
}

function Filter({
  details,
  wanted,
  onChange,
}: {
  details: RunDetails;
  wanted: readonly number[] | null;
  onChange: (wanted: readonly number[] | null) => void;
}) {
  const all = details.variations.map((variation) => variation.number);
  if (all.length < 3) return null;
  const shown = wanted ?? all;
  const toggle = (number: number) => {
    const next = shown.includes(number)
      ? shown.filter((each) => each !== number)
      : [...shown, number];
    onChange(
      next.length === 0 || next.length === all.length ? null : next.toSorted((a, b) => a - b),
    );
  };
  return (
    <fieldset className={styles.filter}>
      <legend className="only-read-aloud">Variations that are shown</legend>
      {all.map((number) => (
        <label key={number} data-off={!shown.includes(number) || undefined}>
          <input type="checkbox" checked={shown.includes(number)} onChange={() => toggle(number)} />
          <LaneMark number={number} />
        </label>
      ))}
    </fieldset>
  );
}
