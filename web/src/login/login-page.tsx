import { type FormEvent, useState } from "react";
import { callApi, toError } from "../api/client";
import { queryClient } from "../app/api-query";
import { navigate, useQueryValue } from "../app/router";
import { Button } from "../ui/button";
import { controlClass, Field } from "../ui/field";
import styles from "./login-page.module.css";

/**
 * Return the path to go to after the log-in. Only paths of this page are allowed, whatever the
 * address says.
 */
export function safeDestination(next: string | null): string {
  return next?.startsWith("/") && !/^\/[/\\]/.test(next) && !next.includes("\\") ? next : "/";
}

export function LoginPage() {
  const [next] = useQueryValue("next");
  const [key, setKey] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await callApi("POST /session", { body: { api_key: key.trim() } });
      queryClient.clear();
      navigate(safeDestination(next), { replace: true });
    } catch (failure) {
      setError(toError(failure).message);
      setBusy(false);
    }
  };

  return (
    <div className={styles.page}>
      <form className={styles.form} onSubmit={submit}>
        <h1>Log in</h1>
        <p className="dim">
          This server requires an API key. Its administrator creates one with{" "}
          <code>aideator key create NAME</code>.
        </p>
        <Field
          label="API key"
          error={error}
          hint="Stored as an HTTP-only cookie; the key itself is not stored."
        >
          {(control) => (
            <input
              {...control}
              className={controlClass}
              type="password"
              autoComplete="current-password"
              spellCheck={false}
              required
              // biome-ignore lint/a11y/noAutofocus: the only field of this page
              autoFocus
              value={key}
              onChange={(event) => setKey(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" variant="primary" busy={busy}>
          Log in
        </Button>
      </form>
    </div>
  );
}
