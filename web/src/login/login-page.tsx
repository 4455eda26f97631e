import { type FormEvent, useCallback, useEffect, useState } from "react";
import { callApi, toError } from "../api/client";
import type { KeyLogin, LinkLogin } from "../api/schema.gen";
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

/**
 * Take the token of a one-time link out of the address, so that neither the history nor a copied
 * address holds it.
 */
function takeLinkToken(): string {
  const token = location.hash.slice(1);
  if (token) history.replaceState(history.state, "", location.pathname + location.search);
  return token;
}

export function LoginPage() {
  const [next] = useQueryValue("next");
  const [key, setKey] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const logIn = useCallback(
    async (login: KeyLogin | LinkLogin) => {
      setBusy(true);
      setError(undefined);
      try {
        await callApi("POST /session", { body: login });
        queryClient.clear();
        navigate(safeDestination(next), { replace: true });
      } catch (failure) {
        setError(toError(failure).message);
        setBusy(false);
      }
    },
    [next],
  );
  useEffect(() => {
    const token = takeLinkToken();
    if (token) void logIn({ link_token: token });
  }, [logIn]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    void logIn({ api_key: key.trim() });
  };

  return (
    <div className={styles.page}>
      <form className={styles.form} onSubmit={submit}>
        <h1>Log in</h1>
        <p className="dim">
          This server answers the user who started it. Open the link that{" "}
          <code>aideator serve</code> or <code>aideator link</code> prints, or enter an API key:{" "}
          <code>aideator key create NAME</code> creates one.
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
