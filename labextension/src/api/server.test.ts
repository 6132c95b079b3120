import { Server } from './server';

jest.mock('@jupyterlab/services', () => ({
  ServerConnection: { makeSettings: () => ({ baseUrl: 'http://host/user/ada/' }) }
}));

const server = new Server();
const urlOf = (...path: string[]) => new URL(server.url(...path)).href;

test('each part of a path is one segment below the bridge, whatever it contains', () => {
  const parts = ['a/b', '../x', '%2e%2e', '..\\..', '?q#f', '...', '\t..\n', 'grün'];
  for (const part of parts) {
    const [head, quoted] = urlOf('conn', part).split('/conn/');
    expect(head).toBe('http://host/user/ada/bridge');
    expect(decodeURIComponent(quoted)).toBe(part);
  }
});

test('a part that would lead to another folder is refused', () => {
  for (const dots of ['.', '..']) {
    expect(() => server.url('conn', 'far', 'browse', dots, 'api')).toThrow(
      `A path may not contain “${dots}”.`
    );
  }
});
