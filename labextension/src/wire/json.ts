/** Decodes the JSON in frames: valid UTF-8 only. */

/** The bytes are not a valid frame; the message says why. */
export class FrameError extends Error {}

/** Decode bytes; errors call them `what`, for example "The payload". */
export function readText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FrameError(`${what} is not UTF-8.`);
  }
}

/** A string or a number as text, and "" for any other value. */
export function asText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function readJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(readText(bytes, what));
  } catch {
    throw new FrameError(`${what} is not JSON.`);
  }
}

export function readObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  const value = readJson(bytes, what);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FrameError(`${what} is not a JSON object.`);
  }
  return value as Record<string, unknown>;
}
