import { useState } from "react";
import { callApi } from "../api/client";
import type { ServerInfo } from "../api/schema.gen";
import { navigate } from "../app/router";
import { Button } from "../ui/button";
import { showErrorToast } from "../ui/toast";
import styles from "./home-page.module.css";

/** Start the scripted demo and go to its run. */
export function DemoButton({ variant = "primary" }: { variant?: "primary" | "secondary" }) {
  const [busy, setBusy] = useState(false);
  const start = async () => {
    setBusy(true);
    try {
      const { run_id } = await callApi("POST /demo", {});
      navigate(`/runs/${run_id}`);
    } catch (error) {
      showErrorToast(error);
      setBusy(false);
    }
  };
  return (
    <Button variant={variant} icon="play" busy={busy} onClick={start}>
      Watch the demo
    </Button>
  );
}

/** Introduction for a first visit, with a demo that needs no key. */
export function DemoCard({ server }: { server: ServerInfo }) {
  return (
    <section className={`${styles.card} ${styles.demo}`} aria-label="Welcome">
      <h1>Several coding agents, one proven change</h1>
      <p>
        Three agents fix a small bug, one of them badly, and the platform's test runs show which
        one. The demo's model is <strong>scripted</strong>, so it needs no key and costs nothing.
        Agents, sandboxes, checks and ranking are real.
      </p>
      <DemoButton />
      {!server.model_ready && (
        <p className={styles.commands}>
          <span>
            To run agents on your own repositories, store a key, or name a model of your own, and
            start the server again. A key never enters a sandbox:
          </span>
          <code>aideator login</code>
          <code>export ANTHROPIC_BASE_URL=http://localhost:11434</code>
        </p>
      )}
    </section>
  );
}
