/**
 * Syntax, for the lines that are looked at. The highlighter comes when the first diff is shown; until then, and for
 * languages that it does not know, text is plain. It answers with a tree, from which only text and class names are
 * taken: no markup of its making reaches the page.
 */
import type { FileDiff, Hunk } from "../../api/schema.gen";
import type { Token } from "./tokens";

/** Lines that are highlighted at once. At their ends the language's state is lost, as it is between hunks. */
const CHUNK = 300;
/** A longer line is data, not code. */
const LONGEST = 2_000;

interface Node {
  readonly type: string;
  readonly value?: string;
  readonly properties?: { readonly className?: unknown };
  readonly children?: readonly Node[];
}
interface Highlighter {
  readonly registered: (language: string) => boolean;
  readonly highlight: (language: string, text: string) => Node;
}

let highlighter: Highlighter | null = null;
let isAskedFor = false;
const listeners = new Set<() => void>();

/** Load it, once; `listener` is called when it is there. */
export function whenHighlighterComes(listener: () => void): () => void {
  listeners.add(listener);
  if (!isAskedFor) void load();
  return () => void listeners.delete(listener);
}

async function load(): Promise<void> {
  isAskedFor = true;
  highlighter = (await import("./languages")).lowlight as Highlighter;
  for (const each of listeners) each();
}

export function isHighlighterThere(): boolean {
  return highlighter !== null;
}

const NAMES: Readonly<Record<string, string>> = {
  makefile: "makefile",
  gnumakefile: "makefile",
  dockerfile: "bash",
  "go.mod": "go",
  ".bashrc": "bash",
};
const ENDINGS: Readonly<Record<string, string>> = {
  mjs: "javascript",
  cjs: "javascript",
  mts: "typescript",
  cts: "typescript",
  pyi: "python",
  toml: "ini",
  lock: "ini",
  cfg: "ini",
  html: "xml",
  vue: "xml",
  svelte: "xml",
  svg: "xml",
  h: "c",
  hh: "cpp",
  jsonc: "json",
  gradle: "java",
  zsh: "bash",
};

/** The language of a file, by its name; null when there is none that is known. */
export function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf(".") + 1);
  const language = NAMES[name] ?? ENDINGS[ending] ?? ending;
  return highlighter?.registered(language) ? language : null;
}

type Which = "old" | "now";
interface Kept {
  readonly lines: Readonly<Record<Which, readonly string[]>>;
  readonly chunks: Map<string, readonly (readonly Token[])[]>;
}
const kept = new WeakMap<Hunk, Kept>();

/** One line of a hunk in tokens. */
export function tokensOf(file: FileDiff, hunk: Hunk, side: Which, place: number): readonly Token[] {
  const memory = kept.get(hunk) ?? remember(hunk);
  const text = memory.lines[side][place] ?? "";
  const language = languageOf(file.path);
  if (language === null || text.length > LONGEST) return [{ text, scope: null }];
  const number = Math.floor(place / CHUNK);
  const key = `${side}${number}`;
  let chunk = memory.chunks.get(key);
  if (!chunk) {
    const lines = memory.lines[side].slice(number * CHUNK, (number + 1) * CHUNK);
    chunk = highlightLines(language, lines.map((each) => each.slice(0, LONGEST)).join("\n"));
    memory.chunks.set(key, chunk);
  }
  return chunk[place - number * CHUNK] ?? [{ text, scope: null }];
}

function remember(hunk: Hunk): Kept {
  const of = (not: "added" | "removed") =>
    hunk.lines.filter((line) => line.kind !== not).map((line) => line.text);
  const made: Kept = { lines: { old: of("added"), now: of("removed") }, chunks: new Map() };
  kept.set(hunk, made);
  return made;
}

function highlightLines(language: string, text: string): readonly (readonly Token[])[] {
  const before = begunBefore(language, text);
  const tree = (highlighter as Highlighter).highlight(
    language,
    before ? `${before}\n${text}` : text,
  );
  const lines = splitLines(leaves(tree, null));
  return before ? lines.slice(1) : lines;
}

function splitLines(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const lines: Token[][] = [[]];
  for (const { text, scope } of tokens) {
    for (const [index, part] of text.split("\n").entries()) {
      if (index > 0) lines.push([]);
      if (part) lines.at(-1)?.push({ text: part, scope });
    }
  }
  return lines;
}

/**
 * What a stretch of a file is likely to stand in the midst of: a comment that only ends, a docstring whose quotes are
 * odd. Without it, all that follows would be taken for the contrary of what it is.
 */
export function begunBefore(language: string, text: string): string {
  if (language !== "python") {
    const [opens, closes] = [text.indexOf("/*"), text.indexOf("*/")];
    return closes >= 0 && (opens < 0 || closes < opens) ? "/*" : "";
  }
  const first = text.indexOf(QUOTES);
  if (first < 0 || (text.split(QUOTES).length - 1) % 2 === 0) return "";
  const isOpening = /(^|[:=(,]\s*)[rbfu]*$/i.test(text.slice(0, first).trimEnd());
  return isOpening ? "" : QUOTES;
}

const QUOTES = '"""';

/** The texts of a tree, in order, each with the innermost name that says something about it. */
function leaves(node: Node, scope: string | null): readonly Token[] {
  if (node.type === "text") return [{ text: node.value ?? "", scope }];
  return (node.children ?? []).flatMap((child) => leaves(child, scopeOf(child) ?? scope));
}

function scopeOf(node: Node): string | null {
  const names = node.properties?.className;
  const first: unknown = Array.isArray(names) ? names[0] : undefined;
  return typeof first === "string" ? first.replace(/^hljs-/, "") : null;
}
