/**
 * Which part of a console's journal the terminal holds. A terminal emulator cannot be written to at
 * its beginning, so an earlier part is shown by writing all of it anew; it holds so many lines only,
 * so that far from the end it shows a window of what was, apart from what comes.
 */
import { Consoles } from '../client';

/** How much is fetched at a time when the reader comes to an edge, bytes. */
export const STEP = 256 * 1024;
/** The most that is shown at once; with more, parsing it again would be felt. Bytes. */
export const MOST_BYTES = 2 * 1024 * 1024;

/** Bytes of the journal, as they stand there: `end` is one past the last. */
export interface Window {
  start: number;
  end: number;
  data: Uint8Array;
}

/** What ends at `before`, beginning with a line where there is one. */
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

/** What begins at `start`. */
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

/** Two windows that touch, as one. */
export function joined(one: Window, other: Window): Window {
  const data = new Uint8Array(one.data.length + other.data.length);
  data.set(one.data);
  data.set(other.data, one.data.length);
  return { start: one.start, end: other.end, data };
}

/** The part of a window that a terminal of so many lines can hold, from its first line on. */
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
  at = Math.min(at, MOST_BYTES);
  return at >= window.data.length
    ? window
    : { start: window.start, end: window.start + at, data: window.data.subarray(0, at) };
}

/** The part of a window that a terminal of so many lines can hold, up to its last line. */
export function fittingFromEnd(window: Window, lines: number): Window {
  let at = window.data.length;
  for (let found = 0; found <= lines && at > 0; found++) {
    at = window.data.lastIndexOf(NEWLINE, at - 1);
  }
  at = Math.max(at + 1, window.data.length - MOST_BYTES, 0);
  return at === 0
    ? window
    : { start: window.start + at, end: window.end, data: window.data.subarray(at) };
}

const NEWLINE = 10;

/** How many bytes to leave out so that what is left begins with a line; none if there is no end. */
function beginningOfLine(data: Uint8Array): number {
  const newline = data.indexOf(NEWLINE);
  return newline < 0 || newline === data.length - 1 ? 0 : newline + 1;
}
