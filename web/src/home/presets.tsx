import { useState } from "react";
import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import styles from "./new-run-form.module.css";
import { type DraftChange, newKey, type RunDraft } from "./run-draft";

const STORED = "presets";

/** What a preset holds: agents, limits and settings, but no task of its own. */
type Preset = Omit<RunDraft, "repo" | "ref" | "path" | "prompt" | "checks" | "includeIgnored">;
type Presets = Readonly<Record<string, Preset>>;

function readPresets(): Presets {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "{}") as Presets;
  } catch {
    return {};
  }
}

/** Return the part of a draft that a preset holds. */
export function presetOf(draft: RunDraft): Preset {
  const { repo, ref, path, prompt, checks, includeIgnored, ...preset } = draft;
  return preset;
}

interface Props {
  readonly draft: RunDraft;
  readonly onChange: DraftChange;
}

/** Named settings of this browser: apply one, or save the present ones. */
export function PresetFields({ draft, onChange }: Props) {
  const [presets, setPresets] = useState(readPresets);
  const [name, setName] = useState("");
  const store = (next: Presets) => {
    setPresets(next);
    try {
      localStorage.setItem(STORED, JSON.stringify(next));
    } catch {
      // The browser refuses storage: presets last as long as the page.
    }
  };
  const apply = (chosen: string) => {
    setName(chosen);
    const preset = presets[chosen];
    if (!preset) return;
    const lineup = preset.lineup.map((agent) => ({ ...agent, key: newKey() }));
    onChange({ ...preset, lineup });
  };
  const { [name]: known, ...others } = presets;
  return (
    <div className={styles.presets}>
      <input
        className={controlClass}
        aria-label="Preset"
        placeholder="name of a preset"
        list="presets"
        value={name}
        onChange={({ target }) => apply(target.value)}
      />
      <datalist id="presets">
        {Object.keys(presets).map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <Button
        size="s"
        disabled={name.trim() === ""}
        onClick={() => store({ ...others, [name]: presetOf(draft) })}
      >
        {known ? "Update preset" : "Save preset"}
      </Button>
      {known && (
        <Button size="s" variant="quiet" onClick={() => store(others)}>
          Delete preset
        </Button>
      )}
    </div>
  );
}
