import { Component, type ReactNode, Suspense, useState } from "react";
import { callApi } from "../api/client";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import type { IconName } from "../ui/icons";
import { EmptyState, LoadingSkeleton } from "../ui/page-states";
import { showErrorToast, ToastList } from "../ui/toast";
import { queryClient, useGet } from "./api-query";
import styles from "./app.module.css";
import { AttentionWatcher, useNotifications } from "./attention";
import { PageTitle } from "./document-title";
import { activeCommands, useKeyCommands } from "./key-commands";
import { Link, matchPath, navigate, usePath } from "./router";
import { NAVIGATION, ROUTES } from "./routes";
import { THEMES, type Theme, useTheme } from "./theme";

export function App() {
  const [help, setHelp] = useState(false);
  useKeyCommands([
    { key: "?", description: "Show this help", run: () => setHelp(true) },
    { key: "g", description: "Go to the list of runs", run: () => navigate("/") },
  ]);
  return (
    <>
      <a className={styles.skipLink} href="#main">
        Skip to content
      </a>
      <TopBar onHelp={() => setHelp(true)} />
      <main id="main" className={styles.main} tabIndex={-1}>
        <CurrentPage />
      </main>
      <ToastList />
      {help && <KeyboardHelp onClose={() => setHelp(false)} />}
    </>
  );
}

function CurrentPage() {
  const path = usePath();
  for (const route of ROUTES) {
    const params = matchPath(route.path, path);
    if (!params) continue;
    const Page = route.component;
    return (
      <ErrorBoundary key={path}>
        {route.title !== null && <PageTitle text={route.title} />}
        <Suspense fallback={<LoadingSkeleton />}>
          <Page params={params} />
        </Suspense>
      </ErrorBoundary>
    );
  }
  return (
    <EmptyState top title="Page not found">
      <PageTitle text="Page not found" />
      <Link href="/">Go to the runs</Link>
    </EmptyState>
  );
}

function TopBar({ onHelp }: { onHelp: () => void }) {
  const path = usePath();
  return (
    <header className={styles.topBar}>
      <Link href="/" className={styles.brand}>
        <Logo />
        <span>AIdeator</span>
      </Link>
      <nav aria-label="Pages" className={styles.nav}>
        {NAVIGATION.map((entry) => (
          <Link
            key={entry.href}
            href={entry.href}
            aria-current={entry.href === path ? "page" : undefined}
          >
            {entry.label}
          </Link>
        ))}
      </nav>
      <span className={styles.spacer} />
      {path !== "/login" && <SessionButtons />}
      <ThemeButton />
      <Button variant="quiet" size="s" icon="help" iconOnly onClick={onHelp}>
        Keyboard shortcuts
      </Button>
    </header>
  );
}

/** The logo: several lines in, one line out. */
function Logo() {
  return (
    <svg
      width="20"
      height="20"
      viewBox="0 0 32 32"
      fill="none"
      strokeWidth="3"
      strokeLinecap="round"
      aria-hidden="true"
    >
      <path d="M5 7c9 0 9 9 14 9M5 25c9 0 9-9 14-9" stroke="var(--ink-3)" />
      <path d="M5 16h22" stroke="var(--proven)" />
    </svg>
  );
}

/** Notifications of open decisions, and the end of a session that began with an API key. */
function SessionButtons() {
  const [notifying, toggle] = useNotifications();
  const server = useGet("GET /server", {}, { staleTime: 60_000, retry: false });
  const logOut = async () => {
    try {
      await callApi("DELETE /session", {});
      queryClient.clear();
      navigate("/login");
    } catch (error) {
      showErrorToast(error);
    }
  };
  return (
    <>
      <AttentionWatcher />
      <Button
        variant="quiet"
        size="s"
        icon="bell"
        iconOnly
        aria-pressed={notifying}
        onClick={() => void toggle()}
      >
        Notify me of runs that need a decision
      </Button>
      {server.data && server.data.caller !== "this machine" && (
        <Button variant="quiet" size="s" icon="logout" iconOnly onClick={() => void logOut()}>
          Log out
        </Button>
      )}
    </>
  );
}

const THEME_ICONS: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };

function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return (
    <Button
      variant="quiet"
      size="s"
      icon={THEME_ICONS[theme]}
      iconOnly
      onClick={() => setTheme(next)}
    >
      {`Theme: ${theme}; change to ${next}`}
    </Button>
  );
}

function KeyboardHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className={styles.keys}>
        {activeCommands().map((command) => (
          <div key={command.key + command.description}>
            <dt>
              <kbd>{command.key}</kbd>
            </dt>
            <dd>{command.description}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Show an error in place of a view that threw, so that the rest of the page keeps working. */
class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <EmptyState top title="Something went wrong">
        <p>{this.state.error.message}</p>
        <Button onClick={() => location.reload()}>Reload the page</Button>
      </EmptyState>
    );
  }
}
