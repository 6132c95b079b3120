import { Command, Commands } from '../../api/types';
import { outcomeOf, Timeline } from './timeline';

const command = (offset: number, more: Partial<Command> = {}): Command => ({
  offset,
  end_offset: offset + 5,
  time: null,
  seconds: 0.2,
  exit_code: 0,
  cwd: null,
  command: 'ls',
  ...more
});
const settled = () => new Promise(resolve => setTimeout(resolve));

/** A timeline of a console whose server has commands at these offsets, two a page. */
function listing(...offsets: number[]) {
  const shown: number[] = [];
  const asked: (number | undefined)[] = [];
  const server = { offsets, epoch: 'e' };
  const timeline = new Timeline(
    { name: 'x', goTo: async (at: number) => shown.push(at) },
    {
      commands: async (name, _, before): Promise<Commands> => {
        asked.push(before);
        const all = server.offsets.filter(one => before === undefined || one < before);
        return {
          console: name,
          epoch: server.epoch,
          commands: all.slice(-2).map(at => command(at)),
          truncated: all.length > 2
        };
      }
    }
  );
  return { timeline, server, shown, asked };
}
const offsetsOf = (timeline: Timeline) => timeline.commands.map(one => one.offset);

test('nothing is asked while the list is not shown', async () => {
  const { timeline, asked } = listing(10);
  timeline.onOutput();
  await settled();
  expect(asked).toEqual([]);
  timeline.toggle();
  await settled();
  expect(offsetsOf(timeline)).toEqual([10]);
  timeline.dispose();
});

test('older commands are added before, and one is shown where its output is', async () => {
  const { timeline, asked, shown } = listing(10, 20, 30);
  timeline.toggle();
  await settled();
  expect(offsetsOf(timeline)).toEqual([20, 30]);
  expect(timeline.isTruncated).toBe(true);
  await timeline.readOlder();
  expect(asked).toEqual([undefined, 20]);
  expect(offsetsOf(timeline)).toEqual([10, 20, 30]);
  expect(timeline.isTruncated).toBe(false);
  await timeline.show(timeline.commands[0]);
  expect(shown).toEqual([10]);
  timeline.dispose();
});

test('new output shows new commands, keeps older ones, and a new console begins anew', async () => {
  jest.useFakeTimers();
  const { timeline, server } = listing(10, 20, 30);
  timeline.toggle();
  await jest.advanceTimersByTimeAsync(2000);
  await timeline.readOlder();
  server.offsets = [10, 20, 30, 40];
  timeline.onOutput();
  await jest.advanceTimersByTimeAsync(2000);
  expect(offsetsOf(timeline)).toEqual([10, 20, 30, 40]);
  expect(timeline.isTruncated).toBe(false);
  server.epoch = 'f';
  server.offsets = [5];
  timeline.onOutput();
  await jest.advanceTimersByTimeAsync(2000);
  expect(offsetsOf(timeline)).toEqual([5]);
  timeline.dispose();
  jest.useRealTimers();
});

test.each<[Partial<Command>, string]>([
  [{}, '\u2713 0.2 s'],
  [{ exit_code: 3, seconds: 1 }, 'exit 3, 1 s'],
  [{ exit_code: null }, '0.2 s'],
  [{ exit_code: 130, seconds: null }, 'exit 130'],
  [{ end_offset: null, exit_code: null }, 'runs']
])('what came of %j is %s', (more, expected) => {
  const trans = {
    __: (text: string, ...values: unknown[]) =>
      text.replace(/%(\d)/g, (_, at) => String(values[Number(at) - 1]))
  };
  expect(outcomeOf(command(1, more), trans as never)).toBe(expected);
});
