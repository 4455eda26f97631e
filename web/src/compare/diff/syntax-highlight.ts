/**
 * Syntax, for the lines that are looked at. The highlighter comes when the first diff is shown; until then, and for
 * languages that it does not know, text is plain. It answers with a tree, from which only text and class names are
 * taken: no markup of its making reaches the page.
 */
import type { FileDiff, Hunk } from "../../api/schema.gen";
import type { Token } from "./marked-tokens";

/** Lines that are highlighted at once. At their ends the language's state is lost, as it is between hunks. */
const CHUNK_LINES = 300;
/** A longer line is data, not code. */
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

/** Load it, once; `listener` is called when it is there. */
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

/** The language of a file, by its name; null when there is none that is known. */
export function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf(".") + 1);
  const language = LANGUAGE_BY_NAME[name] ?? LANGUAGE_BY_EXTENSION[ending] ?? ending;
  return highlighter?.registered(language) ? language : null;
}

type DiffSide = "old" | "now";
interface HunkCache {
  readonly lines: Readonly<Record<DiffSide, readonly string[]>>;
  readonly chunks: Map<string, readonly (readonly Token[])[]>;
}
const caches = new WeakMap<Hunk, HunkCache>();

/** One line of a hunk in tokens. */
export function lineTokens(
  file: FileDiff,
  hunk: Hunk,
  side: DiffSide,
  place: number,
): readonly Token[] {
  const memory = caches.get(hunk) ?? createCache(hunk);
  const text = memory.lines[side][place] ?? "";
  const language = languageOf(file.path);
  if (language === null || text.length > MAX_LINE_LENGTH) return [{ text, scope: null }];
  const number = Math.floor(place / CHUNK_LINES);
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
  return chunk[place - number * CHUNK_LINES] ?? [{ text, scope: null }];
}

function createCache(hunk: Hunk): HunkCache {
  const of = (not: "added" | "removed") =>
    hunk.lines.filter((line) => line.kind !== not).map((line) => line.text);
  const made: HunkCache = { lines: { old: of("added"), now: of("removed") }, chunks: new Map() };
  caches.set(hunk, made);
  return made;
}

function highlightLines(language: string, text: string): readonly (readonly Token[])[] {
  const before = openDelimiter(language, text);
  const tree = (highlighter as Highlighter).highlight(
    language,
    before ? `${before}\n${text}` : text,
  );
  const lines = splitLines(textTokens(tree, null));
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
