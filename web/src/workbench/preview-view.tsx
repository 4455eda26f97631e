import { type FormEvent, useState } from "react";
import type { PreviewOut } from "../api/schema.gen";
import { Button } from "../ui/button";
import { controlClass, Field } from "../ui/field";
import styles from "./preview-view.module.css";
import { placeText } from "./use-workbench";

const WIDTHS = [
  { label: "Phone", width: 390 },
  { label: "Tablet", width: 768 },
  { label: "Full", width: null },
] as const;
/**
 * The same as the server's policy: scripts and forms in an origin of its own, no windows, no
 * navigation of the page.
 */
const SANDBOX = "allow-scripts allow-forms allow-same-origin allow-modals";

interface ViewProps {
  readonly preview: PreviewOut;
  readonly number: number;
  readonly onStop: () => void;
}

/** Frame with the page that a server in the sandbox serves. */
export function PreviewView({ preview, number, onStop }: ViewProps) {
  const [loads, setLoads] = useState(0);
  const [width, setWidth] = useState<number | null>(null);
  return (
    <div className={styles.preview}>
      <div className={styles.toolbar}>
        <Button size="s" icon="reload" onClick={() => setLoads(loads + 1)}>
          Reload
        </Button>
        <span className={styles.widths}>
          {WIDTHS.map((each) => (
            <Button
              key={each.label}
              variant="quiet"
              size="s"
              aria-pressed={width === each.width}
              onClick={() => setWidth(each.width)}
            >
              {each.width === null ? each.label : `${each.label} ${each.width}`}
            </Button>
          ))}
        </span>
        <span className="dim">Hot reload is not supported: reload after a change.</span>
        <span className={styles.place}>{placeText(preview.place, number)}</span>
        <Button size="s" icon="stop" onClick={onStop}>
          Stop the preview
        </Button>
      </div>
      <div className={styles.viewport}>
        <iframe
          key={loads}
          className={styles.frame}
          style={width === null ? undefined : { width }}
          src={preview.url}
          title={`Preview of variation ${number}, port ${preview.port}`}
          sandbox={SANDBOX}
          referrerPolicy="no-referrer"
        />
      </div>
    </div>
  );
}

interface FormProps {
  /** Ports found in the output of terminals. */
  readonly ports: readonly number[];
  readonly onShow: (port: number, command: string) => Promise<void>;
}

/** Form for a new preview: the port, and a command that starts the server. */
export function PreviewForm({ ports, onShow }: FormProps) {
  const [port, setPort] = useState(String(ports.at(-1) ?? ""));
  const [command, setCommand] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await onShow(Number(port), command.trim());
    setBusy(false);
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <Field label="Port" hint="Port on which the project's server listens or will listen.">
        {(control) => (
          <input
            {...control}
            className={controlClass}
            type="number"
            required
            min={1}
            max={65_535}
            value={port}
            onChange={({ target }) => setPort(target.value)}
          />
        )}
      </Field>
      <Field
        label="Start command"
        hint="Runs in a terminal of its own. Leave empty if the server is already running."
      >
        {(control) => (
          <input
            {...control}
            className={`${controlClass} mono`}
            spellCheck={false}
            placeholder="npm run dev -- --port 5173"
            value={command}
            onChange={({ target }) => setCommand(target.value)}
          />
        )}
      </Field>
      <Button type="submit" variant="primary" icon="play" busy={busy}>
        Open preview
      </Button>
      {ports.length > 0 && (
        <p className={styles.suggestions}>
          <span className="dim">Servers found in the terminals:</span>
          {ports.map((each) => (
            <Button key={each} size="s" onClick={() => void onShow(each, "")}>
              {`localhost:${each}`}
            </Button>
          ))}
        </p>
      )}
    </form>
  );
}
