import { useState } from "react";
import { useGet } from "../app/api-query";
import { useKeyCommands } from "../app/key-commands";
import { LoadError, LoadingSkeleton } from "../ui/page-states";
import { DemoCard } from "./demo-card";
import styles from "./home-page.module.css";
import { NewRunCard } from "./new-run-form";
import { RunList } from "./run-list";

/** The form for a new run, and below it the list of runs. */
export function HomePage() {
  const server = useGet("GET /server", {}, { staleTime: 15_000 });
  const any = useGet("GET /overview", { query: { limit: 1 } });
  const [open, setOpen] = useState<boolean>();
  useKeyCommands([
    {
      key: "c",
      description: "Start a new run",
      run: () => {
        setOpen(true);
        requestAnimationFrame(() => document.getElementById("prompt")?.focus());
      },
    },
  ]);
  if (server.isError) return <LoadError error={server.error} retry={() => void server.refetch()} />;
  if (!server.data || any.isPending) return <LoadingSkeleton />;
  const isFirstVisit = any.data?.runs.length === 0;
  return (
    <div className={styles.page}>
      {isFirstVisit ? <DemoCard server={server.data} /> : <h1 className="visually-hidden">Runs</h1>}
      <NewRunCard server={server.data} open={open ?? server.data.model_ready} onOpen={setOpen} />
      {!isFirstVisit && <RunList demoRepo={server.data.demo_repo} />}
    </div>
  );
}
