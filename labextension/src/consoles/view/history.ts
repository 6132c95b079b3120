/**
 * Windows: the part of a console's journal that the terminal emulator shows. Text cannot be
 * inserted at the beginning of a terminal emulator, so an earlier part is shown by writing the
 * whole window again. It holds a limited number of lines, so far from the end it shows a window
 * only, without new output.
 */
import { Consoles } from '../client';

/** How much is fetched when the user scrolls to an edge of the window, bytes. */
export const STEP = 256 * 1024;
/** The largest window, bytes: parsing a larger one again would take noticeably long. */
export const MAX_BYTES = 2 * 1024 * 1024;

/** Bytes of the journal and their offsets; `end` is one past the last byte. */
export interface Window {
  start: number;
  end: number;
  data: Uint8Array;
}

/** The window of up to STEP bytes that ends at `before`; starts at the beginning of a line. */
export async function earlier(
  client: Consoles,
  name: string,
  first: number,
  before: number
): Promise<Window> {
  const from = Math.max(first, before - STEP);
  const { offset, data } = await client.read(name, from, before);
  const skipped = offset > first ? beginningOfLine(data) : 0;
  return { start: offset + skipped, end: before, data: data.subarray(skipped) };
}

/** The window of up to STEP bytes that begins at `start`. */
export async function later(
  client: Consoles,
  name: string,
  start: number,
  end: number
): Promise<Window> {
  const to = Math.min(end, start + STEP);
  const { offset, data } = await client.read(name, start, to);
  return { start: offset, end: to, data };
}

/** Two adjacent windows as one. */
export function joined(one: Window, other: Window): Window {
  const data = new Uint8Array(one.data.length + other.data.length);
  data.set(one.data);
  data.set(other.data, one.data.length);
  return { start: one.start, end: other.end, data };
}

/** The first lines of a window, as many as a terminal can hold. */
export function fitting(window: Window, lines: number): Window {
  let at = 0;
  for (let found = 0; found < lines; found++) {
    const newline = window.data.indexOf(NEWLINE, at);
    if (newline < 0) {
      at = window.data.length;
      break;
    }
    at = newline + 1;
  }
  at = Math.min(at, MAX_BYTES);
  return at >= window.data.length
    ? window
    : { start: window.start, end: window.start + at, data: window.data.subarray(0, at) };
}

/** The last lines of a window, as many as a terminal can hold. */
export function fittingFromEnd(window: Window, lines: number): Window {
  let at = window.data.length;
  for (let found = 0; found <= lines && at > 0; found++) {
    at = window.data.lastIndexOf(NEWLINE, at - 1);
  }
  at = Math.max(at + 1, window.data.length - MAX_BYTES, 0);
  return at === 0
    ? window
    : { start: window.start + at, end: window.end, data: window.data.subarray(at) };
}

const NEWLINE = 10;

/** The index of the first beginning of a line; 0 if no line ends before the last byte. */
function beginningOfLine(data: Uint8Array): number {
  const newline = data.indexOf(NEWLINE);
  return newline < 0 || newline === data.length - 1 ? 0 : newline + 1;
}
