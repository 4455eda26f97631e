/** Toolbar of the diff: the two compared trees, and the layout of lines. */
import { type ReactNode, useId } from "react";
import type { RunDetails } from "../api/schema.gen";
import { setQueryValues } from "../app/router";
import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import { agentLabel } from "../ui/labels";
import styles from "./code-section.module.css";
import type { DiffLayout } from "./diff/diff-rows";

/** Stands for the base in place of a variation's number. */
export const BASE = 0;

interface ToolbarProps {
  readonly details: RunDetails;
  readonly from: number;
  readonly to: number;
  readonly layout: DiffLayout;
  readonly onLayout: (layout: DiffLayout) => void;
}

export function DiffToolbar({ details, from, to, layout, onLayout }: ToolbarProps) {
  const options = details.variations.map(({ number, spec }) => (
    <option key={number} value={number}>{`${number} · ${agentLabel(spec)}`}</option>
  ));
  return (
    <div className={styles.toolbar}>
      <TreeSelect
        label="From"
        value={from}
        onChange={(value) => setQueryValues({ from: value, file: null })}
      >
        <option value="">base</option>
        {options}
      </TreeSelect>
      <span aria-hidden="true">→</span>
      <TreeSelect
        label="To"
        value={to}
        onChange={(value) => setQueryValues({ to: value, file: null })}
      >
        {options}
      </TreeSelect>
      <span className={styles.spacer} />
      <fieldset className={styles.layouts}>
        <legend className="visually-hidden">Layout of the diff</legend>
        {(["unified", "split"] as const).map((each) => (
          <Button
            key={each}
            size="s"
            variant="quiet"
            aria-pressed={layout === each}
            onClick={() => onLayout(each)}
          >
            {each === "split" ? "Side by side" : "Unified"}
          </Button>
        ))}
      </fieldset>
    </div>
  );
}

interface TreeSelectProps {
  readonly label: string;
  readonly value: number;
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
        value={value === BASE ? "" : value}
        onChange={({ target }) => onChange(target.value)}
      >
        {children}
      </select>
    </>
  );
}
