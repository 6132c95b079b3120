import { nullTranslator } from '@jupyterlab/translation';
import { Connection } from '../api/types';
import { sentenceOf, toneOf, vaultSentence } from './labels';

const trans = nullTranslator.load('jupyter_bridge');

function connection(state: string, more: Partial<Connection> = {}): Connection {
  return { name: 'lab', state, reason: null, needs: [], progress: null, ...more } as Connection;
}

test.each([
  ['connected', {}, 'good', 'Connected.'],
  ['connected', { reason: 'It is slow.' }, 'good', 'It is slow.'],
  ['connecting', {}, 'busy', 'Connecting…'],
  [
    'connecting',
    { progress: { percent: 40, message: 'Spawning' } },
    'busy',
    'Connecting: Spawning (40 %)'
  ],
  ['disconnected', { needs: ['password'] }, 'off', 'Not logged in. Log in to use it.'],
  ['disconnected', {}, 'off', 'Not logged in.'],
  ['expired', { reason: 'Too old.' }, 'bad', 'The session has expired. Log in again. Too old.'],
  ['unreachable', {}, 'bad', 'Unreachable. Retrying automatically.'],
  ['forbidden', { reason: 'No such user.' }, 'bad', 'No such user. Log in again.'],
  ['failed', { reason: 'Odd.' }, 'bad', 'Failed. Logging in again may help. Odd.'],
  ['not-invented-yet', { reason: 'Odd.' }, 'bad', 'not-invented-yet. Odd.']
] as const)('%s with %p has a colour and a sentence', (state, more, tone, sentence) => {
  const one = connection(state, more as Partial<Connection>);
  expect(toneOf(one)).toBe(tone);
  expect(sentenceOf(one, trans)).toBe(sentence);
});

test('every vault has a sentence that says where secrets are kept, an unknown one too', () => {
  for (const vault of ['keyring', 'file', 'memory', 'elsewhere']) {
    expect(vaultSentence(vault, trans)).toContain(' kept ');
  }
  expect(vaultSentence('', trans)).toBe('');
});
