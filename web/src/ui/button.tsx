import type { ButtonHTMLAttributes } from "react";
import styles from "./button.module.css";
import { Icon, type IconName } from "./icons";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: "primary" | "plain" | "quiet" | "danger";
  readonly size?: "m" | "s";
  readonly icon?: IconName;
  /** Show the icon only; the children are read aloud and shown as a tool tip. */
  readonly bare?: boolean;
  /** Working on it: the button keeps its size and takes no second click. */
  readonly busy?: boolean;
}

export function Button({ look = "plain", size = "m", icon, bare, busy, children, ...rest }: Props) {
  const title = bare && typeof children === "string" ? children : rest.title;
  return (
    <button
      type="button"
      {...rest}
      title={title}
      className={styles.button}
      data-look={look}
      data-size={size}
      data-bare={bare || undefined}
      aria-busy={busy || undefined}
      disabled={rest.disabled || busy}
    >
      {icon && <Icon name={icon} />}
      <span className={bare ? "only-read-aloud" : undefined}>{children}</span>
    </button>
  );
}
