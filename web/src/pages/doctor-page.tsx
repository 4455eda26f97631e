import type { FindingOut } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Button } from "../ui/button";
import { LoadError, LoadingSkeleton } from "../ui/page-states";
import { visibleLine } from "../ui/visible-text";
import { InfoPage } from "./info-page";
import styles from "./pages.module.css";

/** Findings about this machine, each with the command that fixes it. */
export function DoctorPage() {
  const doctor = useGet("GET /doctor", {}, { staleTime: 60_000 });
  if (doctor.isPending) return <LoadingSkeleton />;
  if (doctor.isError) return <LoadError error={doctor.error} retry={() => void doctor.refetch()} />;
  const broken = doctor.data.filter((finding) => !finding.ok && finding.fatal).length;
  const answer =
    broken === 0 ? "This machine can run agents." : "This machine cannot run agents yet.";
  return (
    <InfoPage
      title="Doctor"
      about={`${answer} The same findings as \`aideator doctor\`, checked at most once a minute.`}
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
          Check again
        </Button>
      </div>
    </InfoPage>
  );
}

function urgency({ ok, fatal }: FindingOut): number {
  if (ok) return 2;
  return fatal ? 0 : 1;
}

const FINDING_STATES = [
  ["✗", "broken"],
  ["!", "limited"],
  ["✓", "works"],
] as const;

function Finding({ finding }: { finding: FindingOut }) {
  const [glyph, word] = FINDING_STATES[urgency(finding)] ?? FINDING_STATES[2];
  return (
    <li className={styles.finding} data-state={word}>
      <span className={styles.glyph}>
        <span aria-hidden="true">{glyph}</span>
        <span className="visually-hidden">{word}</span>
      </span>
      <strong>{visibleLine(finding.name)}</strong>
      <span>
        {finding.detail}
        {finding.fix && !finding.ok && <span className={styles.fix}>{finding.fix}</span>}
      </span>
    </li>
  );
}
