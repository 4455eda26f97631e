import type { FindingOut } from "../api/schema.gen";
import { useGet } from "../app/query";
import { Button } from "../ui/button";
import { line, plain } from "../ui/plain";
import { Failed, Skeleton } from "../ui/states";
import styles from "./pages.module.css";
import { Sheet } from "./sheet";

/** What works on this machine, what does not, and the command that mends it. */
export function DoctorPage() {
  const doctor = useGet("GET /doctor", {}, { staleTime: 60_000 });
  if (doctor.isPending) return <Skeleton />;
  if (doctor.isError) return <Failed error={doctor.error} retry={() => void doctor.refetch()} />;
  const broken = doctor.data.filter((finding) => !finding.ok && finding.fatal).length;
  const answer =
    broken === 0 ? "Runs can be carried out here." : "Runs cannot be carried out here yet.";
  return (
    <Sheet
      title="Doctor"
      about={`${answer} The same as \`aideator doctor\` says; examined at most once a minute.`}
    >
      <ul className={styles.findings}>
        {doctor.data
          .toSorted((a, b) => urgency(a) - urgency(b))
          .map((finding) => (
            <Finding key={finding.name} finding={finding} />
          ))}
      </ul>
      <div>
        <Button busy={doctor.isFetching} onClick={() => void doctor.refetch()}>
          Examine again
        </Button>
      </div>
    </Sheet>
  );
}

function urgency({ ok, fatal }: FindingOut): number {
  if (ok) return 2;
  return fatal ? 0 : 1;
}

const SIGNS = [
  ["✗", "broken"],
  ["!", "limited"],
  ["✓", "works"],
] as const;

function Finding({ finding }: { finding: FindingOut }) {
  const [glyph, word] = SIGNS[urgency(finding)] ?? SIGNS[2];
  return (
    <li className={styles.finding} data-state={word}>
      <span className={styles.glyph}>
        <span aria-hidden="true">{glyph}</span>
        <span className="only-read-aloud">{word}</span>
      </span>
      <strong>{line(finding.name)}</strong>
      <span>
        {plain(finding.detail)}
        {finding.fix && !finding.ok && <span className={styles.fix}>{plain(finding.fix)}</span>}
      </span>
    </li>
  );
}
