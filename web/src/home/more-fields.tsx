import type { ReactNode } from "react";
import type { ServerInfo } from "../api/schema.gen";
import { controlClass, Field } from "../ui/field";
import { countMore } from "./more-draft";
import styles from "./new-run-form.module.css";
import { PresetFields } from "./presets";
import type { DraftChange, RunDraft } from "./run-draft";

interface Props {
  readonly draft: RunDraft;
  readonly server: ServerInfo;
  readonly fieldError: (name: string) => string | undefined;
  readonly onChange: DraftChange;
}

type TextName =
  | "path"
  | "setup"
  | "allowedHosts"
  | "protected"
  | "runTokens"
  | "variationTokens"
  | "variationBudget"
  | "reruns";

interface TextProps extends Props {
  readonly name: TextName;
  readonly label: string;
  readonly placeholder: string;
  readonly hint?: string;
  /** Its name in the API, at which the server reports errors. */
  readonly field?: string;
  readonly lines?: boolean;
}

/** Everything else that a submission can say; most runs need none of it. */
export function MoreFields(props: Props) {
  const { draft, server, onChange } = props;
  const changed = countMore(draft);
  return (
    <details className={styles.more}>
      <summary>{changed > 0 ? `More (${changed} set)` : "More"}</summary>
      <div className={styles.moreFields}>
        <PresetFields draft={draft} onChange={onChange} />
        <Text {...props} name="path" label="Folder" placeholder="the whole repository" />
        <Text
          {...props}
          name="setup"
          label="Set-up commands, one a line"
          placeholder="detected from the repository"
          lines
        />
        <AllowedHosts {...props} isOpen={server.setup_open} />
        <Text
          {...props}
          name="protected"
          label="Protected paths, one a line"
          placeholder="those of the repository's .aideator.toml"
          hint="A change of these files is flagged."
          lines
        />
        <Pair>
          <Text
            {...props}
            name="variationBudget"
            label="Budget for each agent, in dollars"
            placeholder="no limit"
          />
          <Text {...props} name="runTokens" label="Tokens for all agents" placeholder="no limit" />
        </Pair>
        <Pair>
          <Text
            {...props}
            name="variationTokens"
            label="Tokens for each agent"
            placeholder="no limit"
          />
          <Text
            {...props}
            name="reruns"
            label="Repeats of a failed or new test"
            placeholder="default"
          />
        </Pair>
        <Check
          label="Run the tests that each agent wrote on all other variations"
          checked={draft.crossTests}
          onChange={(crossTests) => onChange({ crossTests })}
        />
        <Check
          label="Run even if the same submission has been decided before"
          checked={draft.fresh}
          onChange={(fresh) => onChange({ fresh })}
        />
      </div>
    </details>
  );
}

function AllowedHosts({ isOpen, ...props }: Props & { isOpen: boolean }) {
  if (!isOpen) {
    return (
      <p className="dim">
        Set-up may reach only the hosts that this server&apos;s <code>SETUP_ALLOWED_HOSTS</code>{" "}
        names.
      </p>
    );
  }
  return (
    <Text
      {...props}
      name="allowedHosts"
      field="allowed_hosts"
      label="Further hosts that set-up may reach in this run"
      placeholder="pypi.example.org"
    />
  );
}

function Text({
  draft,
  fieldError,
  onChange,
  name,
  label,
  placeholder,
  hint,
  field,
  lines,
}: TextProps) {
  const value = draft[name] ?? "";
  const change = (text: string) =>
    onChange({ [name]: text === "" && (name === "setup" || name === "protected") ? null : text });
  return (
    <Field label={label} hint={hint} error={fieldError(field ?? name)}>
      {(control) =>
        lines ? (
          <textarea
            {...control}
            className={`${controlClass} mono`}
            rows={2}
            spellCheck={false}
            placeholder={placeholder}
            value={value}
            onChange={({ target }) => change(target.value)}
          />
        ) : (
          <input
            {...control}
            className={controlClass}
            spellCheck={false}
            autoCapitalize="off"
            placeholder={placeholder}
            value={value}
            onChange={({ target }) => change(target.value)}
          />
        )
      }
    </Field>
  );
}

function Pair({ children }: { children: ReactNode }) {
  return <div className={styles.pair}>{children}</div>;
}

interface CheckProps {
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Check({ label, checked, onChange }: CheckProps) {
  return (
    <label className="dim">
      <input
        type="checkbox"
        checked={checked}
        onChange={({ target }) => onChange(target.checked)}
      />{" "}
      {label}
    </label>
  );
}
