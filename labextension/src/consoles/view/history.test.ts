import { earlier, fitting, fittingFromEnd, joined, later, STEP, Window } from './history';
import { Consoles } from '../client';

const text = (window: Window) => new TextDecoder().decode(window.data);
const window = (start: number, output: string): Window => {
  const data = new TextEncoder().encode(output);
  return { start, end: start + data.length, data };
};
/** A server with one journal, whose bytes before `first` are discarded. */
const server = (journal: Uint8Array, first = 0) =>
  ({
    read: async (_: string, offset: number, to: number) => {
      const from = Math.max(offset, first);
      return { offset: from, data: journal.subarray(from, to) };
    }
  }) as unknown as Consoles;

test('a window is cut to the first, or the last, lines that a terminal holds', () => {
  const all = window(100, 'one\ntwo\nthree\nfour');
  expect(text(fitting(all, 2))).toBe('one\ntwo\n');
  expect(fitting(all, 2)).toMatchObject({ start: 100, end: 108 });
  expect(fitting(all, 9)).toBe(all);
  expect(text(fittingFromEnd(all, 1))).toBe('three\nfour');
  expect(fittingFromEnd(all, 1)).toMatchObject({ start: 108, end: all.end });
  expect(fittingFromEnd(all, 9)).toBe(all);
});

test('going back reaches the first byte, and reads every byte once', async () => {
  const lines = Array.from({ length: 60_000 }, (_, number) => `line ${number}\n`).join('');
  const journal = new TextEncoder().encode(lines);
  let shown = await earlier(server(journal), 'x', 0, journal.length);
  while (shown.start > 0) {
    expect(journal[shown.start - 1]).toBe(10);
    const before = await earlier(server(journal), 'x', 0, shown.start);
    expect(before.end).toBe(shown.start);
    expect(before.data.length).toBeLessThanOrEqual(STEP);
    shown = joined(before, shown);
  }
  expect(text(shown) === lines).toBe(true);
});

test('going back works in a text without a newline, too', async () => {
  const journal = new Uint8Array(3 * STEP).fill(65);
  let start = journal.length;
  let steps = 0;
  while (start > 0) {
    start = (await earlier(server(journal), 'x', 0, start)).start;
    steps += 1;
  }
  expect(steps).toBe(3);
});

test('bytes that retention discarded are left out', async () => {
  const journal = new TextEncoder().encode('gone\nheld\n');
  expect(text(await earlier(server(journal, 5), 'x', 5, journal.length))).toBe('held\n');
  expect(await later(server(journal, 5), 'x', 0, 10)).toMatchObject({ start: 5, end: 10 });
});
