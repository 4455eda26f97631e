import { Component, type ReactNode, Suspense, useState } from "react";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import type { IconName } from "../ui/icons";
import { Empty, Skeleton } from "../ui/states";
import { Toasts } from "../ui/toast";
import { activeCommands, useKeys } from "./keys";
import { Link, match, navigate, usePath } from "./router";
import { NAVIGATION, ROUTES } from "./routes";
import styles from "./shell.module.css";
import { THEMES, type Theme, useTheme } from "./theme";

export function Shell() {
  const [help, setHelp] = useState(false);
  useKeys([
    { key: "?", does: "Show this help", run: () => setHelp(true) },
    { key: "g", does: "Go to the list of runs", run: () => navigate("/") },
  ]);
  return (
    <>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <TopBar onHelp={() => setHelp(true)} />
      <main id="main" className={styles.main} tabIndex={-1}>
        <CurrentPage />
      </main>
      <Toasts />
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

function CurrentPage() {
  const path = usePath();
  for (const route of ROUTES) {
    const params = match(route.path, path);
    if (!params) continue;
    const Page = route.page;
    return (
      <Boundary key={path}>
        <Suspense fallback={<Skeleton />}>
          <Page params={params} />
        </Suspense>
      </Boundary>
    );
  }
  return (
    <Empty top title="There is nothing at this address">
      <Link href="/">To the runs</Link>
    </Empty>
  );
}

function TopBar({ onHelp }: { onHelp: () => void }) {
  const path = usePath();
  return (
    <header className={styles.bar}>
      <Link href="/" className={styles.brand}>
        <Mark />
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
      <span className={styles.spring} />
      <ThemeButton />
      <Button look="quiet" size="s" icon="help" bare onClick={onHelp}>
        Keyboard
      </Button>
    </header>
  );
}

/** Several lines in, one line out. */
function Mark() {
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

const THEME_ICONS: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };

function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return (
    <Button look="quiet" size="s" icon={THEME_ICONS[theme]} bare onClick={() => setTheme(next)}>
      {`Theme: ${theme}; change to ${next}`}
    </Button>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className={styles.keys}>
        {activeCommands().map((command) => (
          <div key={command.key + command.does}>
            <dt>
              <kbd>{command.key}</kbd>
            </dt>
            <dd>{command.does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** A bug in one view must not take the page with it. */
class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <Empty top title="This view broke">
        <p>{this.state.error.message}</p>
        <Button onClick={() => location.reload()}>Load it again</Button>
      </Empty>
    );
  }
}
