import { Events } from '../api/events';
import { Server } from '../api/server';
import { Console } from '../api/types';
import { Consoles } from './client';
import { ConsolesModel } from './list';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const consoleIn = (name: string, state: 'live' | 'ended', last_line = '') =>
  ({ name, title: '', kind: 'terminal', state, last_line, last_activity: '2026' }) as Console;

const settle = () => new Promise(resolve => setTimeout(resolve, 1100));

test('a changed console is fetched alone, and leaves the list if it is gone', async () => {
  let listed = [consoleIn('b', 'live'), consoleIn('a', 'live'), consoleIn('a', 'ended', 'old')];
  const client = {
    list: async () => listed,
    get: async (name: string) => {
      const found = listed.find(one => one.name === name);
      if (!found) {
        throw new Error(`No console ${name}.`);
      }
      return found;
    }
  } as unknown as Consoles;
  const events = new Events(new Server());
  const model = new ConsolesModel(client, events);
  const shown = () => model.items.map(one => `${one.name} ${one.state} ${one.last_line}`);
  const emit = (console: string) =>
    (events as any)._received.emit({ name: 'console_state', data: { console, state: 'live' } });
  await settle();
  expect(shown()).toEqual(['a live ', 'b live ', 'a ended old']);
  listed = [consoleIn('a', 'live', 'new'), consoleIn('b', 'live'), consoleIn('a', 'ended', 'old')];
  emit('a');
  await settle();
  expect(shown()).toEqual(['a live new', 'b live ', 'a ended old']);
  listed = [consoleIn('a', 'live', 'new')];
  emit('b');
  await settle();
  expect(shown()).toEqual(['a live new']);
  expect(model.problem).toBeNull();
  model.dispose();
});
