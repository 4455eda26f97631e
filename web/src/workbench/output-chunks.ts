/** Chunks of a terminal's output, each with its position in the whole output. */
interface OutputChunk {
  /** Number of bytes before this chunk. */
  readonly position: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface ChunkUpdate {
  /** Bytes that the server dropped for newer output before they were read. */
  readonly lostBytes: number;
  /** Bytes that were not read before. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Position of the reader afterwards. */
  readonly position: number;
}

/** Return what a chunk adds for a reader at a position: new bytes, and bytes lost before it. */
export function acceptChunk(position: number, chunk: OutputChunk): ChunkUpdate {
  const end = chunk.position + chunk.bytes.length;
  const known = Math.min(chunk.bytes.length, Math.max(0, position - chunk.position));
  return {
    lostBytes: Math.max(0, chunk.position - position),
    bytes: chunk.bytes.subarray(known),
    position: Math.max(position, end),
  };
}

/** Parse one `output` event of a terminal's stream. */
export function parseChunk(data: string): OutputChunk {
  const { at, data: encoded } = JSON.parse(data) as { at: number; data: string };
  return {
    position: at,
    bytes: Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)),
  };
}
