import { Events } from '../api/events';
import { Server } from '../api/server';
import { Connection, ConnectionList } from '../api/types';
import { Connections } from './client';
import { ConnectionsModel } from './model';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const conn = (state: string) => ({ name: 'bis', kind: 'openbis', url: '', state }) as Connection;
const listing = (state: string) =>
  ({ connections: [conn(state)], vault: 'file', problems: [] }) as unknown as ConnectionList;

const settle = () => new Promise(resolve => setTimeout(resolve, 600));

function begin(list: () => Promise<ConnectionList>) {
  const client = { list, kinds: async () => [] } as unknown as Connections;
  const events = new Events(new Server());
  const model = new ConnectionsModel(client, events);
  const tell = () =>
    (events as any)._received.emit({ name: 'connection_state', data: { connection: 'bis' } });
  return { model, tell, states: () => model.items.map(one => one.state) };
}

test('an answer to an earlier question does not undo what a later one has said', async () => {
  const seen: string[] = [];
  let answer: (said: ConnectionList) => void = () => undefined;
  let ask = async () => listing('failed');
  const { model, tell, states } = begin(() => ask());
  model.changed.connect(() => seen.push(...states()));
  await settle();
  ask = () => new Promise(resolve => (answer = resolve));
  tell();
  model.takeOne(conn('connected')); // the login's own answer has overtaken the list's
  ask = async () => listing('connected');
  answer(listing('connecting'));
  await settle();
  expect(states()).toEqual(['connected']);
  expect(seen).not.toContain('connecting');
  model.dispose();
});

test('a Problem of asking is forgiven when asking works again, one of acting is not', async () => {
  let ask = async (): Promise<ConnectionList> => Promise.reject(new Error('away'));
  const { model, tell } = begin(() => ask());
  await settle();
  expect(model.problem?.message).toBe('away');
  ask = async () => listing('connected');
  tell();
  await settle();
  expect(model.problem).toBeNull();
  await model.try(() => Promise.reject(new Error('refused')));
  tell();
  await settle();
  expect(model.problem?.message).toBe('refused');
  model.dispose();
});
