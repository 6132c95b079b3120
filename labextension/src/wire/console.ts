/**
 * Console frames: the websocket subprotocol `v1.console.bridge`, as `wire/console.py` documents it.
 *
 * Server to client: a type byte, an offset (u64, big-endian, at most 2^53 - 1), the payload:
 * `s` start, `m` modes, `o` output, `g` gap, `u` match, `x` exit, `v` viewers, `e` problem.
 * Client to server: a type byte and the payload: `i` input, `r` resize (u16 rows, u16 columns).
 */
import { FrameError, readJson, readObject } from './json';

export const SUBPROTOCOL = 'v1.console.bridge';

const PAYLOAD = 'The payload';

export interface About {
  name: string;
  kind: string;
  state: 'live' | 'ended';
  epoch: string;
  /** Whether a file is waited for that is not there yet. */
  missing?: boolean;
}

export interface Viewer {
  user: string;
  mode: Mode;
  you?: boolean;
}

export type Mode = 'watch' | 'join' | 'steal';

/** The server's frames; the offset of start, exit, viewers and trouble is the journal's end. */
export type ServerFrame =
  | { type: 'start'; offset: number; about: About }
  | { type: 'modes'; offset: number; data: Uint8Array }
  | { type: 'output'; offset: number; data: Uint8Array }
  | { type: 'gap'; offset: number; to: number }
  | { type: 'match'; offset: number; to: number }
  | { type: 'exit'; offset: number; exit: { code: number | null; signal: string | null } }
  | { type: 'viewers'; offset: number; viewers: Viewer[] }
  | { type: 'trouble'; offset: number; problem: Record<string, unknown> };

const HEAD = 9;

/** Decode a frame of the server; null for a type that this version does not know. */
export function fromServerFrame(frame: Uint8Array): ServerFrame | null {
  if (frame.length < HEAD) {
    throw new FrameError(`A console frame has at least ${HEAD} bytes, this one ${frame.length}.`);
  }
  const offset = readOffset(frame, 1);
  const payload = frame.subarray(HEAD);
  switch (String.fromCharCode(frame[0])) {
    case 's':
      return { type: 'start', offset, about: readObject(payload, PAYLOAD) as unknown as About };
    case 'o':
      return { type: 'output', offset, data: payload };
    case 'g':
      return { type: 'gap', offset, to: readEnd(payload, offset + 1) };
    case 'm':
      return { type: 'modes', offset, data: payload };
    case 'u':
      return { type: 'match', offset, to: readEnd(payload, offset) };
    case 'x':
      return {
        type: 'exit',
        offset,
        exit: { code: null, signal: null, ...readObject(payload, PAYLOAD) }
      };
    case 'v':
      return { type: 'viewers', offset, viewers: readList(payload) as Viewer[] };
    case 'e':
      return { type: 'trouble', offset, problem: readObject(payload, PAYLOAD) };
    default:
      return null;
  }
}

/** A frame with input. */
export function inputFrame(data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(1 + data.length);
  frame[0] = 'i'.charCodeAt(0);
  frame.set(data, 1);
  return frame;
}

/** A frame with the screen's size; at least one row and one column. */
export function resizeFrame(rows: number, cols: number): Uint8Array {
  const frame = new Uint8Array(5);
  const view = new DataView(frame.buffer);
  frame[0] = 'r'.charCodeAt(0);
  view.setUint16(1, rows);
  view.setUint16(3, cols);
  return frame;
}

function readOffset(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  if (offset > Number.MAX_SAFE_INTEGER) {
    throw new FrameError('An offset is at most 2^53 - 1.');
  }
  return offset;
}

function readEnd(payload: Uint8Array, least: number): number {
  if (payload.length !== 8) {
    throw new FrameError('A gap or match frame has one u64 as its payload.');
  }
  const to = readOffset(payload, 0);
  if (to < least) {
    throw new FrameError(`A gap or match cannot end at ${to}.`);
  }
  return to;
}

function readList(payload: Uint8Array): unknown[] {
  const value = readJson(payload, PAYLOAD);
  if (!Array.isArray(value)) {
    throw new FrameError('The payload is not a JSON list.');
  }
  return value;
}
