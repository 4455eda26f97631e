import { useInfiniteQuery } from "@tanstack/react-query";
import { type RefObject, useDeferredValue, useEffect, useRef } from "react";
import { callApi } from "../api/client";
import type { RunStatus, Summary } from "../api/schema.gen";
import { MAX_ATTENTION, useAttention } from "../app/attention";
import { useDocumentTitle } from "../app/document-title";
import { useKeyCommands } from "../app/key-commands";
import { Link, setQueryValues, useQueryValue } from "../app/router";
import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import { formatCost, pluralize } from "../ui/format";
import { Icon } from "../ui/icons";
import { EmptyState, LoadError, LoadingSkeleton } from "../ui/page-states";
import { useNow } from "../ui/use-now";
import { DemoButton } from "./demo-card";
import styles from "./run-list.module.css";
import { RunRow } from "./run-row";

const FILTERS: Readonly<Record<string, readonly RunStatus[]>> = {
  working: ["queued", "running"],
  undecided: ["finished", "interrupted"],
  decided: ["decided"],
  failed: ["failed", "cancelled"],
};
/** Labels of the filters, in the words of the runs' status. The names are in the address. */
const FILTER_LABELS: Readonly<Record<string, string>> = {
  "": "all",
  working: "running",
  undecided: "to decide",
};
const ARCHIVE = "archive";
const REFETCH_RUNNING_MS = 2_000;
const REFETCH_IDLE_MS = 15_000;

/**
 * All runs, newest first; older ones are loaded while scrolling. Filter and search are query
 * parameters.
 */
export function RunList({ demoRepo }: { demoRepo: string | null }) {
  const [filter] = useQueryValue("show");
  const [search] = useQueryValue("q");
  const deferredSearch = useDeferredValue(search ?? "");
  const statuses = filter === null ? undefined : FILTERS[filter];
  const field = useRef<HTMLInputElement>(null);
  useKeyCommands([{ key: "/", description: "Search the runs", run: () => field.current?.focus() }]);
  return (
    <section aria-label="Runs" className={styles.runs}>
      <div className={styles.header}>
        <h2>Runs</h2>
        <div className={styles.filters}>
          {["", ...Object.keys(FILTERS), ARCHIVE].map((name) => (
            <Button
              key={name}
              variant="quiet"
              size="s"
              aria-pressed={(filter ?? "") === name}
              onClick={() => setQueryValues({ show: name || null })}
            >
              {FILTER_LABELS[name] ?? name}
            </Button>
          ))}
        </div>
        <div className={styles.search}>
          <Icon name="search" />
          <input
            ref={field}
            className={controlClass}
            type="search"
            aria-label="Search prompts and repositories"
            placeholder="Search"
            value={search ?? ""}
            onChange={(event) => setQueryValues({ q: event.target.value || null })}
          />
        </div>
        <DemoButton variant="secondary" />
      </div>
      {filter === null && deferredSearch === "" ? (
        <Inbox demoRepo={demoRepo} />
      ) : (
        <RunTable
          title="Runs, newest first"
          statuses={statuses}
          search={deferredSearch}
          archived={filter === ARCHIVE}
          demoRepo={demoRepo}
        />
      )}
    </section>
  );
}

const GROUPS: readonly { readonly title: string; readonly statuses: readonly RunStatus[] }[] = [
  { title: "Needs your decision", statuses: ["finished", "interrupted"] },
  { title: "Running", statuses: ["queued", "running"] },
  { title: "Done", statuses: ["decided", "failed", "cancelled"] },
];

/** The runs by what they need of the person who looks: a decision, patience, nothing. */
function Inbox({ demoRepo }: { demoRepo: string | null }) {
  const waiting = useAttention();
  const count = waiting.length < MAX_ATTENTION ? waiting.length : `${MAX_ATTENTION}+`;
  useDocumentTitle(waiting.length > 0 ? `(${count}) Runs` : "Runs");
  return GROUPS.map(({ title, statuses }) => (
    <RunTable key={title} title={title} statuses={statuses} search="" demoRepo={demoRepo} isGroup />
  ));
}

interface ListProps {
  readonly title: string;
  /** One of several lists: it has a heading, and is left out when it is empty. */
  readonly isGroup?: boolean;
  readonly statuses: readonly RunStatus[] | undefined;
  readonly search: string;
  readonly archived?: boolean;
  readonly demoRepo: string | null;
}

function RunTable({ title, isGroup, statuses, search, archived, demoRepo }: ListProps) {
  const runs = useInfiniteQuery({
    queryKey: ["overview", statuses, search, archived],
    queryFn: ({ pageParam, signal }) =>
      callApi("GET /overview", {
        query: {
          cursor: pageParam,
          limit: 50,
          search,
          ...(statuses ? { status: statuses } : {}),
          ...(archived ? { archived } : {}),
        },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: (before) => before,
    refetchInterval: (query) => {
      const rows = query.state.data?.pages.flatMap((page) => page.runs) ?? [];
      return rows.some((run) => run.finished_at === null) ? REFETCH_RUNNING_MS : REFETCH_IDLE_MS;
    },
  });
  const end = useRef<HTMLDivElement>(null);
  useOnVisible(end, () => {
    if (runs.hasNextPage && !runs.isFetchingNextPage) void runs.fetchNextPage();
  });
  const now = useNow(1_000);
  if (runs.isPending) return isGroup ? null : <LoadingSkeleton />;
  if (runs.isError) return <LoadError error={runs.error} retry={() => void runs.refetch()} />;
  const rows = runs.data.pages.flatMap((page) => page.runs);
  if (rows.length === 0 && isGroup) return null;
  if (rows.length === 0) {
    return (
      <EmptyState title="No matching runs">
        <Link href="/">Show all runs</Link>
      </EmptyState>
    );
  }
  return (
    <>
      {isGroup && (
        <h3 className={styles.group}>
          {title} <span className="num dim">{`${rows.length}${runs.hasNextPage ? "+" : ""}`}</span>
        </h3>
      )}
      <MatchSummary search={search} rows={rows} hasMore={runs.hasNextPage} />
      <table className={styles.table}>
        <caption className="visually-hidden">{title}</caption>
        <thead>
          <tr>
            <th scope="col">Status</th>
            <th scope="col">Prompt</th>
            <th scope="col">Variations</th>
            <th scope="col">Winner</th>
            <th scope="col" className={styles.number}>
              Cost
            </th>
            <th scope="col" className={styles.number}>
              Duration
            </th>
            <th scope="col" className={styles.number}>
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((run) => (
            <RunRow key={run.id} run={run} now={now} isScripted={run.repo_url === demoRepo} />
          ))}
        </tbody>
      </table>
      <div ref={end} className={styles.listEnd}>
        {runs.isFetchingNextPage ? "Loading older runs…" : ""}
      </div>
    </>
  );
}

interface MatchProps {
  readonly search: string;
  readonly rows: readonly Summary[];
  readonly hasMore: boolean;
}

/** How many runs match, and what they cost together: a repository's name finds its runs. */
function MatchSummary({ search, rows, hasMore }: MatchProps) {
  if (search === "") return null;
  const costs = rows.map((run) => run.usage.cost_usd ?? 0);
  const total = formatCost(costs.reduce((sum, cost) => sum + cost, 0));
  const count = `${hasMore ? "More than " : ""}${pluralize(rows.length, "run")}`;
  return <p className="num dim">{`${count}, ${total} in all`}</p>;
}

/** Call back when an element comes into view. */
function useOnVisible(target: RefObject<HTMLElement | null>, onVisible: () => void): void {
  const latest = useRef(onVisible);
  latest.current = onVisible;
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
