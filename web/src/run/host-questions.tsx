import { useState } from "react";
import { callApi, toError } from "../api/client";
import type { HostAnswer, HostAsked } from "../api/schema.gen";
import { Button } from "../ui/button";
import { showToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import styles from "./run-result.module.css";

const ANSWERS: readonly (readonly [HostAnswer, string])[] = [
  ["once", "Allow once"],
  ["repository", "For this repository"],
  ["always", "Always"],
  ["refuse", "Refuse"],
];

/** The hosts that set-up waits for an answer about: each with who asks and the four answers. */
export function HostQuestions({ id, asked }: { id: string; asked: readonly HostAsked[] }) {
  return asked.map((question) => <Question key={question.host} id={id} question={question} />);
}

function Question({ id, question }: { id: string; question: HostAsked }) {
  const [busy, setBusy] = useState(false);
  const answer = async (value: HostAnswer) => {
    setBusy(true);
    try {
      await callApi("POST /runs/{run_id}/hosts", {
        path: { run_id: id },
        body: { host: question.host, answer: value },
      });
    } catch (thrown) {
      showToast(toError(thrown).message);
      setBusy(false);
    }
  };
  return (
    <section className={styles.result} role="alert" aria-label="Set-up asks for a host">
      <p className={styles.reasons}>
        Set-up asks for <strong>{visibleLine(question.host.replace(/:443$/, ""))}</strong> (by{" "}
        <code>{visibleLine(question.asked_by)}</code>). Allow it? What set-up runs can send this
        repository&apos;s code there.
      </p>
      {ANSWERS.map(([value, label]) => (
        <Button key={value} disabled={busy} onClick={() => answer(value)}>
          {label}
        </Button>
      ))}
    </section>
  );
}
