import { Signal } from '@lumino/signaling';
import { Events } from '../../api/events';
import { Server } from '../../api/server';
import { Transfer } from '../../api/types';
import { TransfersModel } from './transfers';

function transfer(id: string, state: Transfer['state'], created: number): Transfer {
  const about = { connection: 'c', direction: 'download' as const, permId: id, path: '/r' };
  const progress = { done: 5, total: 10, rate: 1, eta: 5, file: null, files: 1 };
  return { transfer: id, state, created, ...about, ...progress };
}

/** A model with a server that has these transfers; `push` sends an event of its stream. */
function begin(list: Transfer[], stored: string[] = []) {
  const streams: AbortSignal[] = [];
  let push: (event: string, data: unknown) => void = () => undefined;
  const server = {
    url: (...path: string[]) => path.join('/'),
    request: async () => list,
    async *stream(_: string, __: string, { signal }: { signal: AbortSignal }) {
      streams.push(signal);
      const queue: unknown[] = [];
      let wake: () => void = () => undefined;
      push = (event, data) => {
        queue.push({ event, data });
        wake();
      };
      signal.addEventListener('abort', () => wake());
      while (!signal.aborted) {
        if (queue.length) {
          yield queue.shift();
        } else {
          await new Promise<void>(resolve => (wake = resolve));
        }
      }
    }
  } as unknown as Server;
  const holder = {};
  const events = {
    on: () => ({ dispose: () => undefined, isDisposed: false }),
    resumed: new Signal(holder)
  } as unknown as Events;
  let saved = stored;
  const dismissed = { load: () => saved, save: (ids: string[]) => void (saved = ids) };
  const model = new TransfersModel(server, events, dismissed);
  return { model, streams, push: (e: string, d: unknown) => push(e, d), saved: () => saved };
}

const turn = () => new Promise(resolve => setTimeout(resolve));

test('one stream is followed while a transfer is active and the tray is visible', async () => {
  const { model, streams, push } = begin([transfer('a', 'running', 1)]);
  await turn();
  expect(streams).toHaveLength(0);
  model.isShown = true;
  expect(streams).toHaveLength(1);
  model.isShown = true;
  expect(streams).toHaveLength(1);
  push('transfer', { ...transfer('a', 'running', 1), done: 7 });
  await turn();
  expect([model.active, model.done, model.total]).toEqual([1, 7, 10]);
  push('transfer', transfer('a', 'done', 1));
  await turn();
  expect(model.active).toBe(0);
  expect(streams[0].aborted).toBe(true);
  model.dispose();
});

test('hiding the panel ends the stream', async () => {
  const { model, streams } = begin([transfer('a', 'queued', 1)]);
  await turn();
  model.isShown = true;
  model.isShown = false;
  expect(streams[0].aborted).toBe(true);
  model.dispose();
});

test('cleared transfers stay away, and the others are listed newest first', async () => {
  const list = [
    transfer('old', 'done', 1),
    transfer('waiting', 'paused', 2),
    transfer('new', 'failed', 3)
  ];
  const { model, saved } = begin(list, ['old', 'unknown']);
  await turn();
  expect(model.transfers.map(one => one.transfer)).toEqual(['new', 'waiting']);
  model.clear();
  expect(model.transfers.map(one => one.transfer)).toEqual(['waiting']);
  expect(saved()).toEqual(['old', 'new']);
  model.dispose();
});
