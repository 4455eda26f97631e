/**
 * Syntax highlighting of visible lines. The highlighter is loaded with the first diff; until then,
 * and for unknown languages, text is plain. Only text and class names of its syntax tree are used,
 * so none of its markup reaches the page.
 */
import type { FileDiff, Hunk } from "../../api/schema.gen";
import type { Token } from "./marked-tokens";

/**
 * Lines highlighted at once. The language's state is lost at their ends, as it is between hunks.
 */
const CHUNK_LINES = 300;
/** Longer lines are data rather than code and stay plain. */
const MAX_LINE_LENGTH = 2_000;

interface SyntaxNode {
  readonly type: string;
  readonly value?: string;
  readonly properties?: { readonly className?: unknown };
  readonly children?: readonly SyntaxNode[];
}
interface Highlighter {
  readonly registered: (language: string) => boolean;
  readonly highlight: (language: string, text: string) => SyntaxNode;
}

let highlighter: Highlighter | null = null;
let isRequested = false;
const listeners = new Set<() => void>();

/**
 * Load the highlighter once and call `listener` when it is loaded. Return a function that
 * unsubscribes.
 */
export function onHighlighterLoaded(listener: () => void): () => void {
  listeners.add(listener);
  if (!isRequested) void load();
  return () => void listeners.delete(listener);
}

async function load(): Promise<void> {
  isRequested = true;
  highlighter = (await import("./languages")).lowlight as Highlighter;
  for (const each of listeners) each();
}

export function isHighlighterLoaded(): boolean {
  return highlighter !== null;
}

const LANGUAGE_BY_NAME: Readonly<Record<string, string>> = {
  makefile: "makefile",
  gnumakefile: "makefile",
  dockerfile: "bash",
  "go.mod": "go",
  ".bashrc": "bash",
};
const LANGUAGE_BY_EXTENSION: Readonly<Record<string, string>> = {
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

/** Return the language of a file by its name; null when it is unknown. */
function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf(".") + 1);
  const language = LANGUAGE_BY_NAME[name] ?? LANGUAGE_BY_EXTENSION[ending] ?? ending;
  return highlighter?.registered(language) ? language : null;
}

type DiffSide = "old" | "new";
interface HunkCache {
  readonly lines: Readonly<Record<DiffSide, readonly string[]>>;
  readonly chunks: Map<string, readonly (readonly Token[])[]>;
}
const caches = new WeakMap<Hunk, HunkCache>();

/** Return the tokens of one line of a hunk. */
export function lineTokens(
  file: FileDiff,
  hunk: Hunk,
  side: DiffSide,
  index: number,
): readonly Token[] {
  const memory = caches.get(hunk) ?? createCache(hunk);
  const text = memory.lines[side][index] ?? "";
  const language = languageOf(file.path);
  if (language === null || text.length > MAX_LINE_LENGTH) return [{ text, scope: null }];
  const number = Math.floor(index / CHUNK_LINES);
  const key = `${side}${number}`;
  let chunk = memory.chunks.get(key);
  if (!chunk) {
    const lines = memory.lines[side].slice(number * CHUNK_LINES, (number + 1) * CHUNK_LINES);
    chunk = highlightLines(
      language,
      lines.map((each) => each.slice(0, MAX_LINE_LENGTH)).join("\n"),
    );
    memory.chunks.set(key, chunk);
  }
  return chunk[index - number * CHUNK_LINES] ?? [{ text, scope: null }];
}

function createCache(hunk: Hunk): HunkCache {
  const of = (not: "added" | "removed") =>
    hunk.lines.filter((line) => line.kind !== not).map((line) => line.text);
  const cache: HunkCache = { lines: { old: of("added"), new: of("removed") }, chunks: new Map() };
  caches.set(hunk, cache);
  return cache;
}

function highlightLines(language: string, text: string): readonly (readonly Token[])[] {
  const before = openDelimiter(language, text);
  const tree = (highlighter as Highlighter).highlight(
    language,
    before ? `${before}\n${text}` : text,
  );
  const lines = splitTokenLines(textTokens(tree, null));
  return before ? lines.slice(1) : lines;
}

function splitTokenLines(tokens: readonly Token[]): readonly (readonly Token[])[] {
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
 * Return the delimiter of the comment or docstring in which a chunk of a file probably starts: a
 * comment that only ends, or an odd number of docstring quotes. Without it, code would be
 * highlighted as text and text as code.
 */
export function openDelimiter(language: string, text: string): string {
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
function textTokens(node: SyntaxNode, scope: string | null): readonly Token[] {
  if (node.type === "text") return [{ text: node.value ?? "", scope }];
  return (node.children ?? []).flatMap((child) => textTokens(child, scopeOf(child) ?? scope));
}

function scopeOf(node: SyntaxNode): string | null {
  const names = node.properties?.className;
  const first: unknown = Array.isArray(names) ? names[0] : undefined;
  return typeof first === "string" ? first.replace(/^hljs-/, "") : null;
}
