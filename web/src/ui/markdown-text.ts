import { visibleText } from "./visible-text";

/** Node of the tree that react-markdown renders. */
interface Node {
  readonly type: string;
  value?: string;
  readonly children?: readonly Node[];
  readonly properties?: Record<string, unknown>;
}

/**
 * Spell out the invisible characters of a rendered tree in place. After parsing, since Markdown
 * also writes characters as references, such as `&#xE0041;`.
 */
export function spellOutInvisible(node: Node): void {
  if (node.value !== undefined) node.value = visibleText(node.value);
  for (const name of ["alt", "title"]) {
    const label = node.properties?.[name];
    if (node.properties && typeof label === "string") node.properties[name] = visibleText(label);
  }
  for (const child of node.children ?? []) spellOutInvisible(child);
}
