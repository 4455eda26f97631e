/** Pieces of what a terminal prints, each with its place in the whole: what of one is new, and what is missing before. */
export interface Piece {
  /** Bytes that came before it. */
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface News {
  /** Bytes that are gone for good: they made room for newer ones before they were read. */
  readonly gone: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the reader stands afterwards. */
  readonly stand: number;
}

export function newsOf(stand: number, piece: Piece): News {
  const end = piece.at + piece.bytes.length;
  return {
    gone: Math.max(0, piece.at - stand),
    bytes: piece.bytes.subarray(Math.min(piece.bytes.length, Math.max(0, stand - piece.at))),
    stand: Math.max(stand, end),
  };
}

/** One event of a terminal's stream. */
export function parsePiece(data: string): Piece {
  const { at, data: encoded } = JSON.parse(data) as { at: number; data: string };
  return { at, bytes: Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)) };
}
