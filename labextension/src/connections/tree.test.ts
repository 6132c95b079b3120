import { Connection, Item } from '../api/types';
import { Connections } from './client';
import { foldersOf, Tree } from './tree';

const conn = { name: 'bis', state: 'connected', can: ['browse'] } as unknown as Connection;
const dataset = {
  permId: 'P1',
  files: [
    { path: 'original/b.txt', size: 3 },
    { path: 'original/deep/er/a.bin', size: 10 },
    { path: 'original/deep/c', size: 1 },
    { path: 'original/none', directory: true }
  ]
};
const scan: Item = { name: 'scan', path: 'S/P1', kind: 'dataset', permId: 'P1' };

test('the files of a data set form folders, which come first and have the sum of the sizes', () => {
  expect(foldersOf(dataset, scan, '').map(one => [one.file, one.item.kind])).toEqual([
    ['original', 'folder']
  ]);
  const inside = foldersOf(dataset, scan, 'original/');
  expect(inside.map(one => [one.file, one.item.kind, one.item.size])).toEqual([
    ['original/deep', 'folder', 11],
    ['original/none', 'folder', 0],
    ['original/b.txt', 'file', 3]
  ]);
  expect(inside[2].item.permId).toBe('P1');
});

describe('the tree', () => {
  const requested: string[] = [];
  let answer: () => Promise<Item[]>;
  const client = {
    browse: (_: string, path: string) => {
      requested.push(path);
      return answer();
    },
    dataset: async () => dataset
  } as unknown as Connections;
  const rows = (tree: Tree) =>
    tree
      .entries([conn], 'nothing', 'wait')
      .map(one => `${one.level} ${one.note ?? one.item?.name}`);

  test('fetches a branch once, when it is first expanded', async () => {
    const tree = new Tree(client);
    answer = async () => [scan];
    tree.toggle(tree.entries([conn], '', '')[0]);
    expect(rows(tree)).toEqual(['1 undefined', '2 wait']);
    await new Promise(resolve => setTimeout(resolve));
    expect(rows(tree)).toEqual(['1 undefined', '2 scan']);
    tree.toggle(tree.entries([conn], '', '')[0]);
    expect(rows(tree)).toEqual(['1 undefined']);
    tree.toggle(tree.entries([conn], '', '')[0]);
    expect(rows(tree)).toEqual(['1 undefined', '2 scan']);
    expect(requested).toEqual(['']);
    await tree.load(tree.entries([conn], '', '')[1]);
    expect(rows(tree)).toEqual(['1 undefined', '2 scan', '3 original']);
  });

  test('shows a Problem in place of the items, and fetches again', async () => {
    const tree = new Tree(client);
    answer = async () => Promise.reject(new Error('gone away'));
    await tree.load(tree.entries([conn], '', '')[0]);
    expect(rows(tree)).toEqual(['1 undefined', '2 gone away']);
    answer = async () => [];
    const [top] = tree.entries([conn], '', '');
    tree.toggle(top, false);
    tree.toggle({ ...top, isOpen: false });
    await new Promise(resolve => setTimeout(resolve));
    expect(rows(tree)).toEqual(['1 undefined', '2 nothing']);
    tree.prune(() => false);
    expect(rows(tree)).toEqual(['1 undefined']);
  });
});
