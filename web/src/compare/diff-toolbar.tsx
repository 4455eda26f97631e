/** Toolbar of the diff: the two compared trees. */
import { type ReactNode, useId } from "react";
import type { RunDetails } from "../api/schema.gen";
import { setQueryValues } from "../app/router";
import { isLocalRepository } from "../decide/decision-text";
import { controlClass } from "../ui/field";
import styles from "./code-section.module.css";
import { BASE } from "./compared-trees";
import { EDITORS } from "./editor-link";
import { seatNames } from "./seat-names";

interface ToolbarProps {
  readonly details: RunDetails;
  readonly from: number;
  readonly to: number;
  /** Name of the editor that opens files; empty for none. */
  readonly editor: string;
  readonly onEditor: (name: string) => void;
}

export function DiffToolbar({ details, from, to, editor, onEditor }: ToolbarProps) {
  const names = seatNames(details.variations);
  const options = details.variations.map(({ number }) => (
    <option key={number} value={number}>{`${number} · ${names.get(number)}`}</option>
  ));
  return (
    <div className={styles.toolbar}>
      <TreeSelect
        label="From"
        value={from}
        onChange={(value) => setQueryValues({ from: value, to: String(to), file: null })}
      >
        <option value={BASE}>base</option>
        {options}
      </TreeSelect>
      <span aria-hidden="true">→</span>
      <TreeSelect
        label="To"
        value={to}
        onChange={(value) => setQueryValues({ from: String(from), to: value, file: null })}
      >
        {options}
      </TreeSelect>
      {isLocalRepository(details.spec) && (
        <TreeSelect label="Open files in" value={editor} onChange={onEditor}>
          <option value="">no editor</option>
          {Object.keys(EDITORS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </TreeSelect>
      )}
    </div>
  );
}

interface TreeSelectProps {
  readonly label: string;
  readonly value: number | string;
  readonly onChange: (value: string) => void;
  readonly children: ReactNode;
}

function TreeSelect({ label, value, onChange, children }: TreeSelectProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className={controlClass}
        value={value}
        onChange={({ target }) => onChange(target.value)}
      >
        {children}
      </select>
    </>
  );
}
