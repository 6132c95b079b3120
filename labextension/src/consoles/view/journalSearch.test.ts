import { Problem } from '../../api/problem';
import { Hit, Search } from '../../api/types';
import { JournalSearch, partsOf } from './journalSearch';

const hit = (offset: number, line = 'a line'): Hit => ({
  console: 'x',
  epoch: 'e',
  offset,
  time: null,
  line,
  start: 2,
  end: 6
});
const settled = () => new Promise(resolve => setTimeout(resolve));

/** A view of the journal from 100 to 200, and the searches that the server was asked for. */
function searching(answer: (q: string, regex: boolean) => Search = () => hits(50, 150, 250)) {
  const asked: [string, boolean][] = [];
  const shown: number[] = [];
  const view = {
    name: 'x',
    loaded: { start: 100, end: 200 },
    goTo: async (at: number) => shown.push(at)
  };
  const search = new JournalSearch(view, {
    search: async (_, q, regex) => {
      asked.push([q, regex]);
      return answer(q, regex);
    }
  });
  return { asked, shown, view, search };
}
const hits = (...offsets: number[]): Search => ({
  hits: offsets.map(offset => hit(offset)),
  truncated: false
});

test('the hits that are not loaded are listed, and one is shown where it stands', async () => {
  const { search, view, shown } = searching();
  search.find('line', {});
  await settled();
  expect(search.hits.map(one => one.offset)).toEqual([50, 250]);
  await search.show(search.hits[0]);
  expect(shown).toEqual([50]);
  view.loaded = { start: 0, end: 100 };
  expect(search.hits.map(one => one.offset)).toEqual([150, 250]);
  search.find('', {});
  expect(search.hits).toEqual([]);
  search.dispose();
});

test.each([
  [{ caseSensitive: true }, 'a.b(c)', 'a.b(c)', false],
  [{}, 'a.b(c)\\', '(?i)a\\.b\\(c\\)\\\\', true],
  [{ caseSensitive: true, regex: true }, 'a.b', 'a.b', true],
  [{ regex: true }, 'a.b', '(?i)a.b', true]
])('the options %j are asked of the server', async (options, text, q, regex) => {
  const { search, asked } = searching();
  search.find(text, options);
  await settled();
  expect(asked).toEqual([[q, regex]]);
  search.dispose();
});

test('a server without patterns is asked for the text, and refuses a pattern', async () => {
  const { search, asked } = searching((_, regex) => {
    if (regex) {
      throw new Problem('unsupported', 501, 'no patterns');
    }
    return hits(1);
  });
  search.find('a', {});
  await settled();
  expect(asked).toEqual([
    ['(?i)a', true],
    ['a', false]
  ]);
  expect(search.hits).toHaveLength(1);
  search.dispose();
});

test('an answer that comes after the text has changed is not shown', async () => {
  const { search } = searching();
  search.find('line', {});
  search.find('', {});
  await settled();
  expect(search.hits).toEqual([]);
  search.dispose();
});

test('a line is parted by characters', () => {
  expect(partsOf(hit(0, '😀äline b'))).toEqual(['😀ä', 'line', ' b']);
});
