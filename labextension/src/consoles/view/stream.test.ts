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

/** A server that gives sockets and keeps what it was asked for. */
function begin(mode: Mode = 'join') {
  const opened: { mode: Mode; beginning: unknown; socket: any; sent: Uint8Array[] }[] = [];
  const client = new Consoles(new Server());
  let epoch = 'e';
  Object.assign(client, {
    open: (_: string, mode: Mode, beginning: unknown) => {
      const sent: Uint8Array[] = [];
      const socket = { readyState: 0, send: (data: Uint8Array) => sent.push(data), close: () => 0 };
      opened.push({ mode, beginning, socket, sent });
      return socket;
    },
    get: async () => ({ epoch, first_offset: 0 })
  });
  const stream = new ConsoleStream(client, 'x', mode, { lines: 50 });
  stream.open();
  const last = () => opened[opened.length - 1];
  const stand = () => {
    last().socket.readyState = 1;
    last().socket.onopen();
    last().socket.onmessage(frame('s', 100, START));
  };
  return { stream, opened, last, stand, become: (other: string) => (epoch = other) };
}

const later = () => new Promise(resolve => setTimeout(resolve, 400));

test('a broken stream resumes behind the last byte that was seen', async () => {
  const { stream, opened, last, stand } = begin();
  stand();
  last().socket.onmessage(frame('o', 90, 'hello'));
  last().socket.onclose({ code: 1006 });
  expect(stream.state).toBe('broken');
  await later();
  expect(opened.map(one => one.beginning)).toEqual([{ lines: 50 }, { offset: 95, epoch: 'e' }]);
  stream.dispose();
});

test('a new console of the name is begun with its first byte', async () => {
  const { stream, opened, last, stand, become } = begin();
  const replaced = jest.fn();
  stream.replaced.connect(replaced);
  stand();
  last().socket.onmessage(frame('o', 90, 'hello'));
  become('other');
  last().socket.onclose({ code: 1006 });
  await later();
  expect(replaced).toHaveBeenCalledTimes(1);
  expect(opened[1].beginning).toEqual({ offset: 0, epoch: 'other' });
  stream.dispose();
});

test('what is typed while the socket is being opened is sent, behind its size', () => {
  const { stream, last, stand } = begin();
  stream.resize(24, 80);
  stream.type(Uint8Array.of(97));
  expect(last().sent).toEqual([]);
  stand();
  expect(last().sent).toEqual([resizeFrame(24, 80), Uint8Array.of(105, 97)]);
  stream.dispose();
});

test('what is typed while the socket is broken is not sent later', async () => {
  const { stream, opened, last, stand } = begin();
  stand();
  last().socket.readyState = 3;
  last().socket.onclose({ code: 1006 });
  stream.type(Uint8Array.of(97));
  await later();
  stand();
  expect(opened.map(one => one.sent)).toEqual([[], []]);
  stream.dispose();
});

test.each([
  ['join', 'watch', 'watch'],
  ['steal', 'steal', 'join'],
  ['join', 'join', 'join']
] as [Mode, Mode, Mode][])(
  'a %s that was seated as %s comes back as %s',
  async (asked, seat, as) => {
    const { stream, last, stand } = begin(asked);
    stand();
    stream.settle(seat);
    last().socket.onclose({ code: 1006 });
    await later();
    expect(last().mode).toBe(as);
    stream.dispose();
  }
);

test('a refusal is not tried again, unless it passes', async () => {
  const refused = begin();
  refused.last().socket.onclose({ code: 4403 });
  const passing = begin();
  passing.last().socket.onclose({ code: 4503 });
  await later();
  expect([refused.stream.state, refused.opened.length]).toEqual(['refused', 1]);
  expect(passing.opened.length).toBe(2);
  refused.stream.dispose();
  passing.stream.dispose();
});
