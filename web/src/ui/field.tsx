import { type ReactNode, useId } from "react";
import styles from "./field.module.css";

interface ControlProps {
  readonly id: string;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": true | undefined;
}

interface Props {
  /** Id of the control, when other parts of the page need it. */
  readonly id?: string;
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  readonly error?: ReactNode;
  readonly aside?: ReactNode;
  readonly children: (control: ControlProps) => ReactNode;
}

/** Label, control, and a hint or error message, connected for screen readers. */
export function Field({ id: givenId, label, hint, error, aside, children }: Props) {
  const generatedId = useId();
  const id = givenId ?? generatedId;
  const message = error ?? hint;
  return (
    <div className={styles.field} data-invalid={error ? true : undefined}>
      <div className={styles.header}>
        <label htmlFor={id}>{label}</label>
        {aside}
      </div>
      {children({
        id,
        "aria-describedby": message ? `${id}-told` : undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {message && (
        <p id={`${id}-told`} className={styles.message}>
          {message}
        </p>
      )}
    </div>
  );
}

export const controlClass = styles.control ?? "";
