import type { ButtonHTMLAttributes } from "react";
import styles from "./button.module.css";
import { Icon, type IconName } from "./icons";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly variant?: "primary" | "plain" | "quiet" | "danger";
  readonly size?: "m" | "s";
  readonly icon?: IconName;
  /** Show the icon only; the children are read aloud and shown as a tool tip. */
  readonly iconOnly?: boolean;
  /** Working on it: the button keeps its size and takes no second click. */
  readonly busy?: boolean;
}

export function Button({
  variant = "plain",
  size = "m",
  icon,
  iconOnly,
  busy,
  children,
  ...rest
}: Props) {
  const title = iconOnly && typeof children === "string" ? children : rest.title;
  return (
    <button
      type="button"
      {...rest}
      title={title}
      className={styles.button}
      data-variant={variant}
      data-size={size}
      data-icon-only={iconOnly || undefined}
      aria-busy={busy || undefined}
      disabled={rest.disabled || busy}
    >
      {icon && <Icon name={icon} />}
      <span className={iconOnly ? "visually-hidden" : undefined}>{children}</span>
    </button>
  );
}
