import { useQueryClient } from "@tanstack/react-query";
import { Fragment, useState } from "react";
import { asError, call } from "../api/client";
import type { RunDetails } from "../api/schema.gen";
import type { RunStream } from "../stream/stream";
import { Button } from "../ui/button";
import { LaneMark } from "../ui/chip";
import { plural } from "../ui/format";
import { line } from "../ui/plain";
import { toast } from "../ui/toast";
import { type Share, shares } from "./tray";
import styles from "./tray.module.css";
import type { TrayState } from "./use-tray";

interface Props {
  readonly details: RunDetails;
  readonly tray: TrayState;
  readonly stream: RunStream;
}

/** What was taken so far, and the way to a variation made of it: checked like every other. */
export function TrayBar({ details, tray, stream }: Props) {
  const client = useQueryClient();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (tray.parts.length === 0) return null;
  const compose = async () => {
    setBusy(true);
    setError(null);
    try {
      await call("POST /runs/{run_id}/compose", {
        path: { run_id: details.id },
        body: { parts: tray.parts },
      });
      tray.empty();
      stream.resume();
      toast(`Variation ${details.variations.length + 1} is put together, and being checked.`);
      await client.invalidateQueries();
      document.getElementById("tests")?.scrollIntoView();
    } catch (failure) {
      setError(asError(failure).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <aside className={styles.tray} aria-label="Tray">
      <p>
        {shares(tray.parts).map((share, index) => (
          <Fragment key={share.variation}>
            {index > 0 && <span className="dim"> + </span>}
            {say(share)} from <LaneMark number={share.variation} />
          </Fragment>
        ))}
      </p>
      {error && (
        <p role="alert" className={styles.error}>
          {line(error)}
        </p>
      )}
      <Button look="quiet" onClick={tray.empty}>
        Empty
      </Button>
      <Button look="primary" icon="plus" busy={busy} onClick={compose}>
        Put together and check
      </Button>
    </aside>
  );
}

function say({ files, hunks }: Share): string {
  const parts = [files > 0 ? plural(files, "file") : "", hunks > 0 ? plural(hunks, "hunk") : ""];
  return parts.filter(Boolean).join(", ");
}
