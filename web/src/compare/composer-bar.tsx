import { useQueryClient } from "@tanstack/react-query";
import { Fragment, useState } from "react";
import { callApi, toError } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import type { RunStream } from "../stream/run-stream";
import { Button } from "../ui/button";
import { VariationBadge } from "../ui/chip";
import { pluralize } from "../ui/format";
import { showToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import styles from "./composer-bar.module.css";
import { type PartCount, partCounts } from "./composition";
import type { CompositionState } from "./use-composition";

interface Props {
  readonly details: RunDetails;
  readonly composition: CompositionState;
  readonly stream: RunStream;
}

/**
 * Bar with the selected parts, and the button that composes a variation from them. It is checked
 * like every other variation.
 */
export function ComposerBar({ details, composition, stream }: Props) {
  const client = useQueryClient();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (composition.parts.length === 0) return null;
  const compose = async () => {
    setBusy(true);
    setError(null);
    try {
      await callApi("POST /runs/{run_id}/compose", {
        path: { run_id: details.id },
        body: { parts: composition.parts },
      });
      composition.clear();
      stream.resume();
      showToast(`Variation ${details.variations.length + 1} was composed. Its checks are running.`);
      await client.invalidateQueries();
      document.getElementById("tests")?.scrollIntoView();
    } catch (failure) {
      setError(toError(failure).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <aside className={styles.bar} aria-label="Composition">
      <p>
        {partCounts(composition.parts).map((share, index) => (
          <Fragment key={share.variation}>
            {index > 0 && <span className="dim"> + </span>}
            {partCountText(share)} from <VariationBadge number={share.variation} />
          </Fragment>
        ))}
      </p>
      {error && (
        <p role="alert" className={styles.error}>
          {visibleLine(error)}
        </p>
      )}
      <Button variant="quiet" onClick={composition.clear}>
        Clear
      </Button>
      <Button variant="primary" icon="plus" busy={busy} onClick={compose}>
        Compose and check
      </Button>
    </aside>
  );
}

function partCountText({ files, hunks }: PartCount): string {
  const parts = [
    files > 0 ? pluralize(files, "file") : "",
    hunks > 0 ? pluralize(hunks, "hunk") : "",
  ];
  return parts.filter(Boolean).join(", ");
}
