import vectors from '../../../tests/vectors/kernel.json';
import { FrameError } from './json';
import { fromFrame, fromFrameToMessage, toFrame } from './kernel';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

test.each(vectors.v1)('$name is read and written as Python does', ({ channel, parts, frame }) => {
  const read = fromFrame(bytes(frame));
  expect(read.channel).toBe(channel);
  expect(read.parts.map(hex)).toEqual(parts);
  expect(hex(toFrame({ channel, parts: parts.map(bytes) }))).toBe(frame);
});

test.each(vectors.v1_bad)('$name is refused', ({ frame }) => {
  expect(() => fromFrame(bytes(frame))).toThrow(FrameError);
});

test('a message has the content of its parts, and the sizes of its buffers', () => {
  const part = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const parts = [
    part({ msg_id: 'a', msg_type: 'comm_msg' }),
    part({}),
    part({ m: 1 }),
    part({ é: 2 }),
    new Uint8Array(5)
  ];
  const frame = toFrame({ channel: 'iopub', parts });
  expect(fromFrameToMessage(frame)).toEqual({
    channel: 'iopub',
    msg_id: 'a',
    msg_type: 'comm_msg',
    header: { msg_id: 'a', msg_type: 'comm_msg' },
    parent_header: {},
    metadata: { m: 1 },
    content: { é: 2 },
    buffers: [5],
    size: frame.length
  });
});
