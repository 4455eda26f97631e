import { useState } from "react";
import { useKeys } from "../app/keys";
import { useGet } from "../app/query";
import { Failed, Skeleton } from "../ui/states";
import { Demo } from "./demo";
import styles from "./home.module.css";
import { NewRun } from "./new-run";
import { Runs } from "./runs";

/** Ask for a run on top; what was asked before below. */
export function Home() {
  const server = useGet("GET /server", {}, { staleTime: 15_000 });
  const any = useGet("GET /overview", { query: { limit: 1 } });
  const [open, setOpen] = useState<boolean>();
  useKeys([
    {
      key: "c",
      does: "Ask for a new run",
      run: () => {
        setOpen(true);
        requestAnimationFrame(() => document.getElementById("prompt")?.focus());
      },
    },
  ]);
  if (server.isError) return <Failed error={server.error} retry={() => void server.refetch()} />;
  if (!server.data || any.isPending) return <Skeleton />;
  const isFirstVisit = any.data?.runs.length === 0;
  return (
    <div className={styles.page}>
      {isFirstVisit ? <Demo server={server.data} /> : <h1 className="only-read-aloud">Runs</h1>}
      <NewRun server={server.data} open={open ?? server.data.model_ready} onOpen={setOpen} />
      {!isFirstVisit && <Runs demoRepo={server.data.demo_repo} />}
    </div>
  );
}
