/**
 * Kernel messages as websocket frames of `v1.kernel.websocket.jupyter.org`, as `wire/kernel.py`
 * documents them: little-endian u64s, then bytes,
 *
 *     n | offset_0 … offset_{n-1} | channel | header | parent_header | metadata | content | buffers…
 */
import { asText, FrameError, readObject, readText } from './json';

export const V1 = 'v1.kernel.websocket.jupyter.org';

/** The parts of a frame, not decoded: four of JSON, then any number of buffers. */
export interface Frame {
  channel: string;
  parts: Uint8Array[];
}

/** A decoded message. */
export interface Message {
  channel: string;
  msg_id: string;
  msg_type: string;
  header: Record<string, unknown>;
  parent_header: Record<string, unknown>;
  metadata: Record<string, unknown>;
  content: Record<string, unknown>;
  /** The sizes of its binary buffers, bytes. */
  buffers: number[];
  /** The size of the whole frame, bytes. */
  size: number;
}

const WORD = 8;
const JSON_PARTS = 4;

/** Split a frame into its parts. */
export function fromFrame(frame: Uint8Array): Frame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const word = (at: number): number => {
    if ((at + 1) * WORD > frame.length) {
      throw new FrameError('The frame is too short.');
    }
    return view.getUint32(at * WORD, true) + view.getUint32(at * WORD + 4, true) * 2 ** 32;
  };
  const count = word(0);
  if (count < JSON_PARTS + 2 || (count + 1) * WORD > frame.length) {
    throw new FrameError(`A frame with ${count} offsets holds no message.`);
  }
  const offsets = Array.from({ length: count }, (_, at) => word(at + 1));
  const ends = offsets.slice(1);
  const isRising = ends.every((end, at) => end >= offsets[at]);
  if (!isRising || offsets[0] < (count + 1) * WORD || offsets[count - 1] !== frame.length) {
    throw new FrameError('The offsets do not follow one another to the end of the frame.');
  }
  const [name, ...parts] = ends.map((end, at) => frame.subarray(offsets[at], end));
  return { channel: readText(name, 'The channel'), parts };
}

/** Join parts into a frame. */
export function toFrame({ channel, parts }: Frame): Uint8Array {
  const pieces = [new TextEncoder().encode(channel), ...parts];
  const count = pieces.length + 1;
  const total = pieces.reduce((sum, piece) => sum + piece.length, (count + 1) * WORD);
  const frame = new Uint8Array(total);
  const view = new DataView(frame.buffer);
  const put = (at: number, value: number) => {
    view.setUint32(at * WORD, value % 2 ** 32, true);
    view.setUint32(at * WORD + 4, Math.floor(value / 2 ** 32), true);
  };
  put(0, count);
  let offset = (count + 1) * WORD;
  pieces.forEach((piece, at) => {
    put(at + 1, offset);
    frame.set(piece, offset);
    offset += piece.length;
  });
  put(count, offset);
  return frame;
}

/** Decode the message in a frame. */
export function fromFrameToMessage(frame: Uint8Array): Message {
  const { channel, parts } = fromFrame(frame);
  const [header, parent_header, metadata, content] = parts
    .slice(0, JSON_PARTS)
    .map(part => readObject(part, 'A part of the message'));
  return {
    channel,
    msg_id: asText(header.msg_id),
    msg_type: asText(header.msg_type),
    header,
    parent_header,
    metadata,
    content,
    buffers: parts.slice(JSON_PARTS).map(buffer => buffer.length),
    size: frame.length
  };
}
