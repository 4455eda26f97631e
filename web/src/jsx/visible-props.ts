import { Fragment } from "react/jsx-runtime";
import { visibleText } from "../ui/visible-text";

/** Attributes whose text a person sees or hears. */
const LABELS = [
  "alt",
  "aria-description",
  "aria-label",
  "aria-placeholder",
  "aria-roledescription",
  "aria-valuetext",
  "label",
  "placeholder",
  "title",
] as const;

/** Return the properties of an element with all text that the document shows spelled out. */
export function visibleProps(type: unknown, props: unknown): unknown {
  // What a component is given reaches the document through its own elements.
  if (typeof type !== "string" && type !== Fragment) return props;
  const given = props as Readonly<Record<string, unknown>>;
  const changed: Record<string, unknown> = {};
  for (const name of ["children", ...LABELS]) {
    const shown = visible(given[name]);
    if (shown !== given[name]) changed[name] = shown;
  }
  return Object.keys(changed).length === 0 ? props : { ...given, ...changed };
}

/** Return strings spelled out, also within lists, and anything else as it is. */
function visible(value: unknown): unknown {
  if (typeof value === "string") return visibleText(value);
  if (!Array.isArray(value)) return value;
  const shown = value.map(visible);
  return shown.some((each, index) => each !== value[index]) ? shown : value;
}
