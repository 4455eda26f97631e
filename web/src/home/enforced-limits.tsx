import { useGet } from "../app/api-query";
import { formatDuration } from "../ui/format";
import styles from "./new-run-form.module.css";

const LIMIT_SUFFIX = / limit$/;

/** Limits that this machine enforces, as measured by opening a sandbox. */
export function EnforcedLimits({ timeout }: { timeout: number }) {
  const doctor = useGet("GET /doctor", {}, { staleTime: 60_000, retry: false });
  const fatal = doctor.data?.find((each) => each.fatal && !each.ok);
  if (fatal) {
    return (
      <p className={styles.warning} role="alert">
        {`This machine cannot run agents: ${fatal.name}: ${fatal.detail}. ${fatal.fix}`}
      </p>
    );
  }
  const limits = doctor.data?.filter((each) => LIMIT_SUFFIX.test(each.name)) ?? [];
  const named = (ok: boolean) =>
    limits.filter((each) => each.ok === ok).map((each) => each.name.replace(LIMIT_SUFFIX, ""));
  const [held, weak] = [named(true), named(false)];
  return (
    <ul className={styles.enforcedLimits}>
      <li>Network: only the model, through a gateway that keeps the key outside the sandbox.</li>
      {doctor.isPending && <li>Checking which limits this machine enforces…</li>}
      {held.length > 0 && (
        <li>{`Enforced: ${held.join(", ")}; ${formatDuration(timeout * 1000)} per turn.`}</li>
      )}
      {weak.length > 0 && (
        <li className={styles.weak}>{`Not enforced on this machine: ${weak.join(", ")}.`}</li>
      )}
    </ul>
  );
}
