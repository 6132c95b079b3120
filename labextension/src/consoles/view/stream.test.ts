import { Server } from '../../api/server';
import { Consoles } from '../client';
import { ConsoleStream } from './stream';
import { Mode, resizeFrame } from '../../wire/console';

jest.mock('../../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));
(global as any).WebSocket = { OPEN: 1 };

/** A frame of the server: its type, offset and payload. */
const frame = (type: string, offset: number, payload: string | Uint8Array) => {
  const data = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  const bytes = new Uint8Array(9 + data.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(5, offset);
  bytes.set(data, 9);
  return { data: bytes.buffer };
};
const START = JSON.stringify({ name: 'x', kind: 'terminal', state: 'live', epoch: 'e' });

/** A server that opens sockets and records how they were requested. */
function begin(mode: Mode = 'join') {
  const opened: { mode: Mode; start: unknown; socket: any; sent: Uint8Array[] }[] = [];
  const client = new Consoles(new Server());
  let epoch = 'e';
  Object.assign(client, {
    open: (_: string, mode: Mode, start: unknown) => {
      const sent: Uint8Array[] = [];
      const socket = { readyState: 0, send: (data: Uint8Array) => sent.push(data), close: () => 0 };
      opened.push({ mode, start, socket, sent });
      return socket;
    },
    get: async () => ({ epoch, first_offset: 0 })
  });
  const stream = new ConsoleStream(client, 'x', mode, { lines: 50 });
  stream.open();
  const last = () => opened[opened.length - 1];
  const accept = () => {
    last().socket.readyState = 1;
    last().socket.onopen();
    last().socket.onmessage(frame('s', 100, START));
  };
  return { stream, opened, last, accept, setEpoch: (other: string) => (epoch = other) };
}

const later = () => new Promise(resolve => setTimeout(resolve, 400));

test('a dropped connection resumes after the last byte that arrived', async () => {
  const { stream, opened, last, accept } = begin();
  accept();
  last().socket.onmessage(frame('o', 90, 'hello'));
  last().socket.onclose({ code: 1006 });
  expect(stream.state).toBe('disconnected');
  await later();
  expect(opened.map(one => one.start)).toEqual([{ lines: 50 }, { offset: 95, epoch: 'e' }]);
  stream.dispose();
});

test('a new console with the same name is read from its first byte', async () => {
  const { stream, opened, last, accept, setEpoch } = begin();
  const replaced = jest.fn();
  stream.replaced.connect(replaced);
  accept();
  last().socket.onmessage(frame('o', 90, 'hello'));
  setEpoch('other');
  last().socket.onclose({ code: 1006 });
  await later();
  expect(replaced).toHaveBeenCalledTimes(1);
  expect(opened[1].start).toEqual({ offset: 0, epoch: 'other' });
  stream.dispose();
});

test('input while the socket is being opened is sent after the size', () => {
  const { stream, last, accept } = begin();
  stream.resize(24, 80);
  stream.type(Uint8Array.of(97));
  expect(last().sent).toEqual([]);
  accept();
  expect(last().sent).toEqual([resizeFrame(24, 80), Uint8Array.of(105, 97)]);
  stream.dispose();
});

test('input while the socket is disconnected is not sent later', async () => {
  const { stream, opened, last, accept } = begin();
  accept();
  last().socket.readyState = 3;
  last().socket.onclose({ code: 1006 });
  stream.type(Uint8Array.of(97));
  await later();
  accept();
  expect(opened.map(one => one.sent)).toEqual([[], []]);
  stream.dispose();
});

test.each([
  ['join', 'watch', 'watch'],
  ['steal', 'steal', 'join'],
  ['join', 'join', 'join']
] as [Mode, Mode, Mode][])(
  'a stream that asked for %s and got %s reconnects as %s',
  async (asked, assigned, next) => {
    const { stream, last, accept } = begin(asked);
    accept();
    stream.onModeAssigned(assigned);
    last().socket.onclose({ code: 1006 });
    await later();
    expect(last().mode).toBe(next);
    stream.dispose();
  }
);

test('a refused stream reconnects only if the refusal is temporary', async () => {
  const refused = begin();
  refused.last().socket.onclose({ code: 4403 });
  const temporary = begin();
  temporary.last().socket.onclose({ code: 4503 });
  await later();
  expect([refused.stream.state, refused.opened.length]).toEqual(['refused', 1]);
  expect(temporary.opened.length).toBe(2);
  refused.stream.dispose();
  temporary.stream.dispose();
});
