import { Server } from '../../api/server';
import { saveEnvironment } from './saving';

jest.mock('../../api/server', () => ({ Server: class {} }));

/** A server whose kernel is of R, and a folder with these names. */
function save(names: string[], answer = true) {
  const requests: unknown[] = [];
  const questions: string[][] = [];
  const environment = { requirements_filename: 'install.R', runtime_filename: 'runtime.txt' };
  const server = {
    url: (...path: string[]) => path.join('/'),
    request: async (_: string, url: string, { body }: { body: { save?: boolean } }) => {
      requests.push([url, body]);
      return { ...environment, saved: body.save ? ['w/install.R', 'w/runtime.txt'] : [] };
    }
  } as unknown as Server;
  const mayReplace = async (paths: string[]) => {
    questions.push(paths);
    return answer;
  };
  const saving = saveEnvironment(server, 'k', 'w/a.ipynb', async () => names, mayReplace);
  return { saving, requests, questions };
}

const last = ['environment/k', { path: 'w/a.ipynb', save: true }];

test('without existing files it saves without a question', async () => {
  const { saving, requests, questions } = save(['a.ipynb', 'requirements.txt']);
  expect(await saving).toEqual(['w/install.R', 'w/runtime.txt']);
  expect(questions).toEqual([]);
  expect(requests[1]).toEqual(last);
});

test('existing files are named, and replaced if the user agrees', async () => {
  const { saving, requests, questions } = save(['runtime.txt', 'install.R']);
  expect(await saving).toEqual(['w/install.R', 'w/runtime.txt']);
  expect(questions).toEqual([['w/install.R', 'w/runtime.txt']]);
  expect(requests).toHaveLength(2);
});

test('nothing is saved if the user refuses', async () => {
  const { saving, requests, questions } = save(['runtime.txt'], false);
  expect(await saving).toBeNull();
  expect(questions).toEqual([['w/runtime.txt']]);
  expect(requests).toEqual([['environment/k', {}]]);
});
