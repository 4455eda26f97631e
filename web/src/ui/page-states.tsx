import { type ReactNode, useEffect, useState } from "react";
import { ApiError, ServerUnreachable, toError } from "../api/client";
import { Link, loginPath } from "../app/router";
import { Button } from "./button";
import styles from "./page-states.module.css";

/**
 * Placeholder where there is nothing to show, with a way on. `top` makes the title the page's `h1`.
 */
export function EmptyState({
  title,
  top,
  children,
}: {
  title: string;
  top?: boolean;
  children?: ReactNode;
}) {
  const Heading = top ? "h1" : "h2";
  return (
    <div className={styles.empty}>
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

const SKELETON_LINES = [1, 2, 3, 4, 5, 6];
const DELAY_MS = 300;

/** Loading placeholder, shown only after a short delay so that fast loads do not flicker. */
export function LoadingSkeleton() {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), DELAY_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={styles.skeleton} role="status" aria-label="Loading">
      {shown && SKELETON_LINES.map((key) => <span key={key} />)}
    </div>
  );
}

/** Message for a failed read, with a button that tries again. */
export function LoadError({ error, retry }: { error: unknown; retry?: () => void }) {
  const text = toError(error).message;
  return (
    <EmptyState
      top
      title={
        error instanceof ServerUnreachable
          ? "The server does not answer"
          : "This could not be loaded"
      }
    >
      <p>{text}</p>
      {retry && <Button onClick={retry}>Try again</Button>}
    </EmptyState>
  );
}

/** Message of an error at a field, with the way to the log-in where the session has ended. */
export function ErrorText({ error }: { error: Error }) {
  if (!isLoggedOut(error)) return error.message;
  return (
    <>
      Your session has ended. What you typed is kept. <LoginLink />
    </>
  );
}

function isLoggedOut(error: Error): boolean {
  return error instanceof ApiError && error.status === 401;
}

function LoginLink() {
  return <Link href={loginPath()}>Log in</Link>;
}

/** Message for a refused request: the reason and what to do next. */
export function ErrorNotice({ error }: { error: Error }) {
  const problem = error instanceof ApiError ? error.problem : null;
  if (isLoggedOut(error)) {
    return (
      <div className={styles.errorNotice} role="alert">
        <strong>Log in again</strong>
        <p>
          <ErrorText error={error} />
        </p>
      </div>
    );
  }
  return (
    <div className={styles.errorNotice} role="alert">
      <strong>{problem?.title ?? "The request failed"}</strong>
      <p>{error.message}</p>
      {problem?.hint && !problem.errors && <p>{problem.hint}</p>}
    </div>
  );
}
