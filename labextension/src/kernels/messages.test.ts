import { Message } from '../wire/kernel';
import { Kernels } from './client';
import { gist, MessagesModel, MOST_BYTES, MOST_MESSAGES } from './messages';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const message = (msg_type: string, content = {}, channel = 'iopub', size = 100): Message => ({
  channel,
  msg_type,
  msg_id: `${msg_type}-id`,
  header: {},
  parent_header: {},
  metadata: {},
  content,
  buffers: [],
  size
});
const begin = (opened: (string | undefined)[] = []) => {
  const sockets: any[] = [];
  const client = {
    open: (_: string, after?: string) => {
      opened.push(after);
      sockets.push({ close: () => undefined });
      return sockets[sockets.length - 1];
    },
    get: async () => ({})
  } as unknown as Kernels;
  return { model: new MessagesModel(client, 'k'), sockets };
};

test('no more is kept than the bounds say, and what went is counted', () => {
  const { model } = begin();
  for (let number = 0; number < MOST_MESSAGES + 5; number++) {
    model.keep(message('status'));
  }
  expect([model.entries.length, model.dropped]).toEqual([MOST_MESSAGES, 5]);
  expect(model.entries[0].number).toBe(6);
  model.clear();
  model.keep(message('stream', {}, 'iopub', MOST_BYTES));
  model.keep(message('stream', {}, 'iopub', 1));
  expect([model.entries.length, model.dropped]).toEqual([1, 1]);
  model.dispose();
});

test('channel, type and text narrow it together', () => {
  const { model } = begin();
  model.keep(message('status', { execution_state: 'busy' }));
  model.keep(message('stream', { name: 'stdout', text: 'Hello' }));
  model.keep(message('execute_reply', { status: 'ok' }, 'shell'));
  model.toggle('channels', 'iopub');
  expect(model.shown.map(one => one.message.msg_type)).toEqual(['status', 'stream']);
  model.setFilter('hello');
  expect(model.shown.map(one => one.message.msg_type)).toEqual(['stream']);
  model.toggle('types', 'status');
  expect(model.shown).toEqual([]);
  expect(model.knownTypes).toEqual(['execute_reply', 'status', 'stream']);
  model.dispose();
});

test('what comes while it is paused is counted', () => {
  const { model } = begin();
  model.pause(true);
  model.keep(message('status'));
  expect([model.entries.length, model.missed]).toEqual([0, 1]);
  model.pause(false);
  model.keep(message('status'));
  expect([model.entries.length, model.missed]).toEqual([1, 0]);
  model.dispose();
});

test('a line that broke is opened again behind the last message of iopub', async () => {
  const opened: (string | undefined)[] = [];
  const { model, sockets } = begin(opened);
  model.keep(message('status'));
  model.keep(message('execute_reply', {}, 'shell'));
  sockets[0].onclose({ code: 1006 });
  await new Promise(resolve => setTimeout(resolve, 400));
  expect(opened).toEqual([undefined, 'status-id']);
  model.dispose();
});

test('the gist of a message is what one looks for in it', () => {
  expect(gist(message('stream', { name: 'stderr', text: 'x' }))).toBe('stderr: x');
  expect(gist(message('error', { ename: 'E', evalue: 'v' }))).toBe('E: v');
  expect(gist(message('display_data', { data: { 'image/png': '' } }))).toBe('image/png');
  expect(gist(message('comm_msg', { a: 1 }))).toBe('{"a":1}');
});
