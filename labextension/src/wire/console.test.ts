import vectors from '../../../tests/vectors/console.json';
import { fromServerFrame, inputFrame, resizeFrame, SUBPROTOCOL } from './console';
import { FrameError } from './json';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
/** The frame types by the names of their Python classes. */
const TYPES: Record<string, string> = {
  Start: 'start',
  ModesFrame: 'modes',
  OutputFrame: 'output',
  GapFrame: 'gap',
  Matched: 'match',
  Ended: 'exit',
  Viewers: 'viewers',
  Trouble: 'trouble'
};

test('the server has the same subprotocol', () => {
  expect(SUBPROTOCOL).toBe(vectors.subprotocol);
});

test.each(vectors.server)('$name is read as Python reads it', ({ type, frame, fields }) => {
  const expected: Record<string, unknown> = { type: TYPES[type], ...fields };
  if (typeof expected.data === 'string') {
    expected.data = bytes(expected.data);
  }
  expect(fromServerFrame(bytes(frame))).toEqual(expected);
});

test.each(vectors.server_bad)('$name is refused', ({ frame }) => {
  expect(() => fromServerFrame(bytes(frame))).toThrow(FrameError);
});

test.each(vectors.server_unknown)('$name is skipped', ({ frame }) => {
  expect(fromServerFrame(bytes(frame))).toBeNull();
});

test.each(vectors.client)('$name is sent as Python reads it', ({ frame, fields }) => {
  const { data, rows, cols } = fields as { data?: string; rows?: number; cols?: number };
  const built = data === undefined ? resizeFrame(rows!, cols!) : inputFrame(bytes(data));
  expect(Buffer.from(built).toString('hex')).toBe(frame);
});
