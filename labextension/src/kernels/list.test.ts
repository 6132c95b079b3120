import { Events } from '../api/events';
import { Server } from '../api/server';
import { Kernel } from '../api/types';
import { Kernels } from './client';
import { KernelsModel } from './list';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const kernel = (id: string, execution_state: string) =>
  ({ id, name: id, kernelspec: 'python3', execution_state }) as Kernel;

/** A server that counts what it is asked. */
class Double {
  kernels = [kernel('a', 'idle'), kernel('b', 'idle')];
  asked: string[] = [];
  async list() {
    this.asked.push('list');
    return this.kernels;
  }
  async get(id: string) {
    this.asked.push(id);
    const found = this.kernels.find(one => one.id === id);
    if (!found) {
      throw new Error(`There is no kernel ${id}.`);
    }
    return found;
  }
}

function begin() {
  const double = new Double();
  const events = new Events(new Server());
  const model = new KernelsModel(double as unknown as Kernels, events);
  const happens = (kernel_id: string, state: string) =>
    (events as any)._received.emit({ name: 'kernel_state', data: { kernel_id, state } });
  const states = () => model.items.map(one => `${one.id} ${one.execution_state}`);
  return { double, model, events, happens, states };
}

const settle = () => new Promise(resolve => setTimeout(resolve, 600));

test('a change is asked for alone, and a burst of changes once', async () => {
  const { double, model, happens, states } = begin();
  await settle();
  expect(double.asked).toEqual(['list']);
  double.kernels = [kernel('a', 'busy'), kernel('b', 'idle')];
  for (let time = 0; time < 50; time++) {
    happens('a', 'busy');
  }
  await settle();
  expect(states()).toEqual(['a busy', 'b idle']);
  expect(double.asked.slice(1).every(what => what === 'a')).toBe(true);
  expect(double.asked.length).toBeLessThanOrEqual(3);
  model.dispose();
});

test('one that comes or goes, and a line that was broken, ask for all', async () => {
  const { double, model, events, happens, states } = begin();
  await settle();
  double.kernels = [kernel('b', 'idle'), kernel('c', 'starting')];
  happens('c', 'starting');
  await settle();
  expect(states()).toEqual(['b idle', 'c starting']);
  double.kernels = [];
  (events as any)._resumed.emit();
  await settle();
  expect(states()).toEqual([]);
  model.dispose();
});

test('one that is gone before it is asked for is looked up in the list', async () => {
  const { double, model, happens, states } = begin();
  await settle();
  double.kernels = [kernel('b', 'idle')];
  happens('a', 'busy');
  await settle();
  expect(states()).toEqual(['b idle']);
  expect(model.problem).toBeNull();
  model.dispose();
});

test('the filter looks at names, kernelspecs and states', async () => {
  const { double, model, events } = begin();
  double.kernels = [kernel('a', 'busy'), kernel('b', 'idle')];
  (events as any)._resumed.emit();
  await settle();
  model.setFilter('BUSY');
  expect(model.shown.map(one => one.id)).toEqual(['a']);
  model.dispose();
});
