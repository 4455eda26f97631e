/** What is compared with what, and how its lines are laid out. */
import { type ReactNode, useId } from "react";
import type { RunDetails } from "../api/schema.gen";
import { setQuery } from "../app/router";
import { Button } from "../ui/button";
import { control } from "../ui/field";
import styles from "./code.module.css";
import type { Look } from "./diff/rows";
import { seatName } from "./names";

/** Stands for the base where a variation's number is asked for. */
export const BASE = 0;

interface ToolbarProps {
  readonly details: RunDetails;
  readonly from: number;
  readonly to: number;
  readonly look: Look;
  readonly onLook: (look: Look) => void;
}

export function Toolbar({ details, from, to, look, onLook }: ToolbarProps) {
  const options = details.variations.map(({ number, seat }) => (
    <option key={number} value={number}>{`${number} · ${seatName(seat)}`}</option>
  ));
  return (
    <div className={styles.toolbar}>
      <End label="From" value={from} onChange={(value) => setQuery({ from: value, file: null })}>
        <option value="">the base</option>
        {options}
      </End>
      <span aria-hidden="true">→</span>
      <End label="To" value={to} onChange={(value) => setQuery({ to: value, file: null })}>
        {options}
      </End>
      <span className={styles.spring} />
      <fieldset className={styles.looks}>
        <legend className="only-read-aloud">How lines are laid out</legend>
        {(["unified", "split"] as const).map((each) => (
          <Button
            key={each}
            size="s"
            look="quiet"
            aria-pressed={look === each}
            onClick={() => onLook(each)}
          >
            {each === "split" ? "Side by side" : "Unified"}
          </Button>
        ))}
      </fieldset>
    </div>
  );
}

interface EndProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: string) => void;
  readonly children: ReactNode;
}

function End({ label, value, onChange, children }: EndProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className={control}
        value={value === BASE ? "" : value}
        onChange={({ target }) => onChange(target.value)}
      >
        {children}
      </select>
    </>
  );
}
