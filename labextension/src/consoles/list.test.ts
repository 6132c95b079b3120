import { Events } from '../api/events';
import { Server } from '../api/server';
import { Console } from '../api/types';
import { Consoles } from './client';
import { ConsolesModel } from './list';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const talking = (name: string, state: 'live' | 'ended', last_line = '') =>
  ({ name, title: '', kind: 'terminal', state, last_line, last_activity: '2026' }) as Console;

const settle = () => new Promise(resolve => setTimeout(resolve, 1100));

test('what has changed is asked for alone, and what is gone by then is looked up in the list', async () => {
  let there = [talking('b', 'live'), talking('a', 'live'), talking('a', 'ended', 'old')];
  const client = {
    list: async () => there,
    get: async (name: string) => {
      const found = there.find(one => one.name === name);
      if (!found) {
        throw new Error(`There is no console ${name}.`);
      }
      return found;
    }
  } as unknown as Consoles;
  const events = new Events(new Server());
  const model = new ConsolesModel(client, events);
  const said = () => model.items.map(one => `${one.name} ${one.state} ${one.last_line}`);
  const tell = (console: string) =>
    (events as any)._received.emit({ name: 'console_state', data: { console, state: 'live' } });
  await settle();
  expect(said()).toEqual(['a live ', 'b live ', 'a ended old']);
  there = [talking('a', 'live', 'new'), talking('b', 'live'), talking('a', 'ended', 'old')];
  tell('a');
  await settle();
  expect(said()).toEqual(['a live new', 'b live ', 'a ended old']);
  there = [talking('a', 'live', 'new')];
  tell('b');
  await settle();
  expect(said()).toEqual(['a live new']);
  expect(model.problem).toBeNull();
  model.dispose();
});
