import type { ButtonHTMLAttributes } from "react";
import styles from "./button.module.css";
import { Icon, type IconName } from "./icons";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly variant?: "primary" | "secondary" | "quiet" | "danger";
  readonly size?: "m" | "s";
  readonly icon?: IconName;
  /** Show only the icon. The children become the accessible name and the tooltip. */
  readonly iconOnly?: boolean;
  /** An action is in progress: the button keeps its size and is disabled. */
  readonly busy?: boolean;
}

export function Button({
  variant = "secondary",
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
