import { Message } from '../wire/kernel';
import { Kernels } from './client';
import { MAX_BYTES, MAX_MESSAGES, MessagesModel, summaryOf } from './messages';

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

test('old messages are discarded beyond the limits, and counted', () => {
  const { model } = begin();
  for (let number = 0; number < MAX_MESSAGES + 5; number++) {
    model.add(message('status'));
  }
  expect([model.entries.length, model.discarded]).toEqual([MAX_MESSAGES, 5]);
  expect(model.entries[0].number).toBe(6);
  model.clear();
  model.add(message('stream', {}, 'iopub', MAX_BYTES));
  model.add(message('stream', {}, 'iopub', 1));
  expect([model.entries.length, model.discarded]).toEqual([1, 1]);
  model.dispose();
});

test('the filters of channel, type and text apply together', () => {
  const { model } = begin();
  model.add(message('status', { execution_state: 'busy' }));
  model.add(message('stream', { name: 'stdout', text: 'Hello' }));
  model.add(message('execute_reply', { status: 'ok' }, 'shell'));
  model.toggle('channels', 'iopub');
  expect(model.shown.map(one => one.message.msg_type)).toEqual(['status', 'stream']);
  model.setFilter('hello');
  expect(model.shown.map(one => one.message.msg_type)).toEqual(['stream']);
  model.toggle('types', 'status');
  expect(model.shown).toEqual([]);
  expect(model.knownTypes).toEqual(['execute_reply', 'status', 'stream']);
  model.dispose();
});

test('messages that arrive while it is paused are counted', () => {
  const { model } = begin();
  model.pause(true);
  model.add(message('status'));
  expect([model.entries.length, model.missed]).toEqual([0, 1]);
  model.pause(false);
  model.add(message('status'));
  expect([model.entries.length, model.missed]).toEqual([1, 0]);
  model.dispose();
});

test('a dropped connection resumes after the last message of iopub', async () => {
  const opened: (string | undefined)[] = [];
  const { model, sockets } = begin(opened);
  model.add(message('status'));
  model.add(message('execute_reply', {}, 'shell'));
  sockets[0].onclose({ code: 1006 });
  await new Promise(resolve => setTimeout(resolve, 400));
  expect(opened).toEqual([undefined, 'status-id']);
  model.dispose();
});

test('the summary of a message depends on its type', () => {
  expect(summaryOf(message('stream', { name: 'stderr', text: 'x' }))).toBe('stderr: x');
  expect(summaryOf(message('error', { ename: 'E', evalue: 'v' }))).toBe('E: v');
  expect(summaryOf(message('display_data', { data: { 'image/png': '' } }))).toBe('image/png');
  expect(summaryOf(message('comm_msg', { a: 1 }))).toBe('{"a":1}');
});
