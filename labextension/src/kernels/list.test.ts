import { Events } from '../api/events';
import { Server } from '../api/server';
import { Kernel } from '../api/types';
import { Kernels } from './client';
import { KernelsModel } from './list';

jest.mock('../api/server', () => ({ Server: class {}, withQuery: (url: string) => url }));

const kernel = (id: string, execution_state: string) =>
  ({ id, name: id, kernelspec: 'python3', execution_state }) as Kernel;

/** A server that records the requests. */
class Double {
  kernels = [kernel('a', 'idle'), kernel('b', 'idle')];
  requests: string[] = [];
  async list() {
    this.requests.push('list');
    return this.kernels;
  }
  async get(id: string) {
    this.requests.push(id);
    const found = this.kernels.find(one => one.id === id);
    if (!found) {
      throw new Error(`No kernel ${id}.`);
    }
    return found;
  }
}

function begin() {
  const double = new Double();
  const events = new Events(new Server());
  const model = new KernelsModel(double as unknown as Kernels, events);
  const emit = (kernel_id: string, state: string) =>
    (events as any)._received.emit({ name: 'kernel_state', data: { kernel_id, state } });
  const states = () => model.items.map(one => `${one.id} ${one.execution_state}`);
  return { double, model, events, emit, states };
}

const settle = () => new Promise(resolve => setTimeout(resolve, 600));

test('a changed kernel is fetched alone, and a burst of changes once', async () => {
  const { double, model, emit, states } = begin();
  await settle();
  expect(double.requests).toEqual(['list']);
  double.kernels = [kernel('a', 'busy'), kernel('b', 'idle')];
  for (let time = 0; time < 50; time++) {
    emit('a', 'busy');
  }
  await settle();
  expect(states()).toEqual(['a busy', 'b idle']);
  expect(double.requests.slice(1).every(path => path === 'a')).toBe(true);
  expect(double.requests.length).toBeLessThanOrEqual(3);
  model.dispose();
});

test('a new or gone kernel, and a reconnection, fetch the whole list', async () => {
  const { double, model, events, emit, states } = begin();
  await settle();
  double.kernels = [kernel('b', 'idle'), kernel('c', 'starting')];
  emit('c', 'starting');
  await settle();
  expect(states()).toEqual(['b idle', 'c starting']);
  double.kernels = [];
  (events as any)._resumed.emit();
  await settle();
  expect(states()).toEqual([]);
  model.dispose();
});

test('a kernel that is gone before it is fetched leaves the list', async () => {
  const { double, model, emit, states } = begin();
  await settle();
  double.kernels = [kernel('b', 'idle')];
  emit('a', 'busy');
  await settle();
  expect(states()).toEqual(['b idle']);
  expect(model.problem).toBeNull();
  model.dispose();
});

test('the filter searches names, kernelspecs and states', async () => {
  const { double, model, events } = begin();
  double.kernels = [kernel('a', 'busy'), kernel('b', 'idle')];
  (events as any)._resumed.emit();
  await settle();
  model.setFilter('BUSY');
  expect(model.shown.map(one => one.id)).toEqual(['a']);
  model.dispose();
});
