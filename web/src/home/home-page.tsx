import { useMemo, useState } from "react";
import type { ServerInfo } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { PageTitle } from "../app/document-title";
import { useKeyCommands } from "../app/key-commands";
import { useQueryValue } from "../app/router";
import { LoadError, LoadingSkeleton } from "../ui/page-states";
import { DemoCard } from "./demo-card";
import styles from "./home-page.module.css";
import { NewRunCard } from "./new-run-form";
import { draftOf } from "./repeat-draft";
import type { RunDraft } from "./run-draft";
import { RunList } from "./run-list";
import { newestDraft } from "./use-run-draft";

/** The form for a new run, and below it the list of runs. */
export function HomePage() {
  const server = useGet("GET /server", {}, { staleTime: 15_000 });
  const any = useGet("GET /overview", { query: { limit: 1 } });
  const repeated = useRepeatedRun();
  if (server.isError) return <LoadError error={server.error} retry={() => void server.refetch()} />;
  if (!server.data || any.isPending || repeated.isPending) return <LoadingSkeleton />;
  return (
    <Home
      key={repeated.id}
      server={server.data}
      isFirstVisit={any.data?.runs.length === 0}
      first={repeated.draft}
    />
  );
}

/** Return the submission of the run in the query parameter `from`, to be repeated. */
function useRepeatedRun() {
  const [id] = useQueryValue("from");
  const run = useGet(
    "GET /runs/{run_id}",
    { path: { run_id: id ?? "" } },
    { enabled: id !== null, retry: false },
  );
  const draft = useMemo(() => (run.data ? draftOf(run.data.spec) : null), [run.data]);
  return { id, isPending: id !== null && run.isPending, draft };
}

interface HomeProps {
  readonly server: ServerInfo;
  readonly isFirstVisit: boolean;
  readonly first: RunDraft | null;
}

function Home({ server, isFirstVisit, first }: HomeProps) {
  // The list is what one comes back for: the form is folded unless there is something in it.
  const [open, setOpen] = useState(
    () =>
      server.model_ready &&
      (isFirstVisit || first !== null || (newestDraft(server)?.prompt ?? "") !== ""),
  );
  const show = () => {
    setOpen(true);
    requestAnimationFrame(() => document.getElementById("prompt")?.focus());
  };
  useKeyCommands([{ key: "c", description: "Start a new run", run: show }]);
  return (
    <div className={styles.page}>
      {isFirstVisit ? <DemoCard server={server} /> : <h1 className="visually-hidden">Runs</h1>}
      <NewRunCard server={server} first={first} open={open} onOpen={show} />
      {isFirstVisit ? <PageTitle text="Runs" /> : <RunList demoRepo={server.demo_repo} />}
    </div>
  );
}
