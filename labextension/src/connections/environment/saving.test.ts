import { Server } from '../../api/server';
import { saveEnvironment } from './saving';

jest.mock('../../api/server', () => ({ Server: class {} }));

/** A server whose kernel speaks R, and a folder with these files. */
function save(names: string[], answer = true) {
  const asked: unknown[] = [];
  const told: string[][] = [];
  const environment = { requirements_filename: 'install.R', runtime_filename: 'runtime.txt' };
  const server = {
    url: (...path: string[]) => path.join('/'),
    request: async (_: string, url: string, { body }: { body: { save?: boolean } }) => {
      asked.push([url, body]);
      return { ...environment, saved: body.save ? ['w/install.R', 'w/runtime.txt'] : [] };
    }
  } as unknown as Server;
  const mayReplace = async (paths: string[]) => {
    told.push(paths);
    return answer;
  };
  const saving = saveEnvironment(server, 'k', 'w/a.ipynb', async () => names, mayReplace);
  return { saving, asked, told };
}

const last = ['environment/k', { path: 'w/a.ipynb', save: true }];

test('where nothing is in the way it is saved without a question', async () => {
  const { saving, asked, told } = save(['a.ipynb', 'requirements.txt']);
  expect(await saving).toEqual(['w/install.R', 'w/runtime.txt']);
  expect(told).toEqual([]);
  expect(asked[1]).toEqual(last);
});

test('what would be replaced is named, and replaced after a yes', async () => {
  const { saving, asked, told } = save(['runtime.txt', 'install.R']);
  expect(await saving).toEqual(['w/install.R', 'w/runtime.txt']);
  expect(told).toEqual([['w/install.R', 'w/runtime.txt']]);
  expect(asked).toHaveLength(2);
});

test('after a no nothing is saved', async () => {
  const { saving, asked, told } = save(['runtime.txt'], false);
  expect(await saving).toBeNull();
  expect(told).toEqual([['w/runtime.txt']]);
  expect(asked).toEqual([['environment/k', {}]]);
});
