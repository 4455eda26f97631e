/** Pieces of what a terminal prints, each with its place in the whole: what of one is new, and what is missing before. */
export interface OutputChunk {
  /** Bytes that came before it. */
  readonly position: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface ChunkUpdate {
  /** Bytes that are gone for good: they made room for newer ones before they were read. */
  readonly lostBytes: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the reader stands afterwards. */
  readonly position: number;
}

export function acceptChunk(stand: number, piece: OutputChunk): ChunkUpdate {
  const end = piece.position + piece.bytes.length;
  return {
    lostBytes: Math.max(0, piece.position - stand),
    bytes: piece.bytes.subarray(Math.min(piece.bytes.length, Math.max(0, stand - piece.position))),
    position: Math.max(stand, end),
  };
}

/** One event of a terminal's stream. */
export function parseChunk(data: string): OutputChunk {
  const { at, data: encoded } = JSON.parse(data) as { at: number; data: string };
  return {
    position: at,
    bytes: Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)),
  };
}
