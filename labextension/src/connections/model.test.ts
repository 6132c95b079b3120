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
  const emitEvent = () =>
    (events as any)._received.emit({ name: 'connection_state', data: { connection: 'bis' } });
  return { model, emitEvent, states: () => model.items.map(one => one.state) };
}

test('the response to an earlier request does not undo a later one', async () => {
  const seen: string[] = [];
  let respond: (listing: ConnectionList) => void = () => undefined;
  let list = async () => listing('failed');
  const { model, emitEvent, states } = begin(() => list());
  model.changed.connect(() => seen.push(...states()));
  await settle();
  list = () => new Promise(resolve => (respond = resolve));
  emitEvent();
  model.applyOne(conn('connected')); // the login's response arrived before the list's
  list = async () => listing('connected');
  respond(listing('connecting'));
  await settle();
  expect(states()).toEqual(['connected']);
  expect(seen).not.toContain('connecting');
  model.dispose();
});

test('a later fetch dismisses the Problem of a failed fetch, not that of an action', async () => {
  let list = async (): Promise<ConnectionList> => Promise.reject(new Error('away'));
  const { model, emitEvent } = begin(() => list());
  await settle();
  expect(model.problem?.message).toBe('away');
  list = async () => listing('connected');
  emitEvent();
  await settle();
  expect(model.problem).toBeNull();
  await model.try(() => Promise.reject(new Error('refused')));
  emitEvent();
  await settle();
  expect(model.problem?.message).toBe('refused');
  model.dispose();
});
