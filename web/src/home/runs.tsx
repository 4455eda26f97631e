import { useInfiniteQuery } from "@tanstack/react-query";
import { type RefObject, useDeferredValue, useEffect, useRef } from "react";
import { call } from "../api/client";
import type { RunStatus } from "../api/schema.gen";
import { useKeys } from "../app/keys";
import { Link, setQuery, useQueryValue } from "../app/router";
import { Button } from "../ui/button";
import { control } from "../ui/field";
import { Icon } from "../ui/icons";
import { Empty, Failed, Skeleton } from "../ui/states";
import { useNow } from "../ui/time";
import { DemoButton } from "./demo";
import { RunRow } from "./run-row";
import styles from "./runs.module.css";

const FILTERS: Readonly<Record<string, readonly RunStatus[]>> = {
  working: ["queued", "running"],
  undecided: ["finished"],
  decided: ["decided"],
  failed: ["failed", "cancelled"],
};
const WHILE_WORKING_MS = 2_000;
const IDLE_MS = 15_000;

/** Every run, newest first, as far down as one scrolls. Filter and search are in the address. */
export function Runs({ demoRepo }: { demoRepo: string | null }) {
  const [filter] = useQueryValue("show");
  const [search] = useQueryValue("q");
  const wanted = useDeferredValue(search ?? "");
  const statuses = filter === null ? undefined : FILTERS[filter];
  const field = useRef<HTMLInputElement>(null);
  useKeys([{ key: "/", does: "Search the runs", run: () => field.current?.focus() }]);
  return (
    <section aria-label="Runs" className={styles.runs}>
      <div className={styles.head}>
        <h2>Runs</h2>
        <div className={styles.filters}>
          {["", ...Object.keys(FILTERS)].map((name) => (
            <Button
              key={name}
              look="quiet"
              size="s"
              aria-pressed={(filter ?? "") === name}
              onClick={() => setQuery({ show: name || null })}
            >
              {name || "all"}
            </Button>
          ))}
        </div>
        <div className={styles.search}>
          <Icon name="search" />
          <input
            ref={field}
            className={control}
            type="search"
            aria-label="Search prompts and repositories"
            placeholder="Search"
            value={search ?? ""}
            onChange={(event) => setQuery({ q: event.target.value || null })}
          />
        </div>
        <DemoButton look="plain" />
      </div>
      <List statuses={statuses} search={wanted} demoRepo={demoRepo} />
    </section>
  );
}

interface ListProps {
  readonly statuses: readonly RunStatus[] | undefined;
  readonly search: string;
  readonly demoRepo: string | null;
}

function List({ statuses, search, demoRepo }: ListProps) {
  const runs = useInfiniteQuery({
    queryKey: ["overview", statuses, search],
    queryFn: ({ pageParam, signal }) =>
      call("GET /overview", {
        query: { cursor: pageParam, limit: 50, search, ...(statuses ? { status: statuses } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: (before) => before,
    refetchInterval: (query) => {
      const rows = query.state.data?.pages.flatMap((page) => page.runs) ?? [];
      return rows.some((run) => run.finished_at === null) ? WHILE_WORKING_MS : IDLE_MS;
    },
  });
  const end = useRef<HTMLDivElement>(null);
  useReached(end, () => {
    if (runs.hasNextPage && !runs.isFetchingNextPage) void runs.fetchNextPage();
  });
  const now = useNow(1_000);
  if (runs.isPending) return <Skeleton />;
  if (runs.isError) return <Failed error={runs.error} retry={() => void runs.refetch()} />;
  const rows = runs.data.pages.flatMap((page) => page.runs);
  if (rows.length === 0) {
    return (
      <Empty title="No run fits">
        <Link href="/">Show all</Link>
      </Empty>
    );
  }
  return (
    <>
      <table className={styles.table}>
        <caption className="only-read-aloud">Runs, newest first</caption>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Prompt</th>
            <th scope="col">Variations</th>
            <th scope="col">Winner</th>
            <th scope="col" className={styles.figure}>
              Cost
            </th>
            <th scope="col" className={styles.figure}>
              Took
            </th>
            <th scope="col" className={styles.figure}>
              Asked
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((run) => (
            <RunRow key={run.id} run={run} now={now} isScripted={run.repo_url === demoRepo} />
          ))}
        </tbody>
      </table>
      <div ref={end} className={styles.end}>
        {runs.isFetchingNextPage ? "Reading older runs…" : ""}
      </div>
    </>
  );
}

/** Call when an element comes into view. */
function useReached(target: RefObject<HTMLElement | null>, reached: () => void): void {
  const latest = useRef(reached);
  latest.current = reached;
  useEffect(() => {
    const element = target.current;
    if (!element) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) latest.current();
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  });
}
