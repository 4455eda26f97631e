import { useGet } from "../app/query";
import { Link } from "../app/router";
import { repoName, shortId } from "../ui/format";
import { Empty, Failed, Skeleton } from "../ui/states";

export function Home() {
  const runs = useGet("GET /runs", { query: { limit: 50 } }, { refetchInterval: 3_000 });
  if (runs.isPending) return <Skeleton />;
  if (runs.isError) return <Failed error={runs.error} retry={() => void runs.refetch()} />;
  if (runs.data.runs.length === 0) return <Empty title="No runs yet" />;
  return (
    <ul>
      {runs.data.runs.map((run) => (
        <li key={run.id}>
          <Link href={`/runs/${run.id}`}>{shortId(run.id)}</Link> {run.status}{" "}
          {repoName(run.spec.repo_url ?? "")} {run.spec.prompt}
        </li>
      ))}
    </ul>
  );
}
