/** The state of a connection, in colour and in words. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Connection } from '../api/types';

export type Tone = 'good' | 'busy' | 'idle' | 'bad' | 'off';

/** The colour of a state; an unknown one is no good sign. */
export function toneOf({ state }: Connection): Tone {
  const tones: Record<string, Tone> = {
    connected: 'good',
    connecting: 'busy',
    disconnected: 'off'
  };
  return tones[state] ?? 'bad';
}

/** The state, as a sentence that says what helps. */
export function sentenceOf(connection: Connection, trans: TranslationBundle): string {
  const { state, reason, progress, needs } = connection;
  const why = reason ? ` ${reason}` : '';
  switch (state) {
    case 'connected':
      return reason ?? trans.__('Connected.');
    case 'connecting':
      return progress
        ? trans.__('Connecting: %1 (%2 %)', progress.message, progress.percent)
        : trans.__('Connecting…');
    case 'disconnected':
      return needs.length
        ? trans.__('Not logged in. Log in to use it.')
        : trans.__('Not logged in.') + why;
    case 'expired':
      return trans.__('The session has expired. Log in again.') + why;
    case 'unreachable':
      return trans.__('Unreachable. Retrying automatically.') + why;
    case 'forbidden':
      return reason
        ? trans.__('%1. Log in again.', bare(reason))
        : trans.__('Access was refused. Log in again.');
    case 'failed':
      return trans.__('Failed. Logging in again may help.') + why;
    default: // a newer server's word
      return `${String(state)}.${why}`;
  }
}

/** A sentence without its full stop. */
function bare(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

/** Where secrets are kept, in words; `vault` is what the server says. */
export function vaultSentence(vault: string, trans: TranslationBundle): string {
  switch (vault) {
    case 'keyring':
      return trans.__('The secret is kept in the keyring of the operating system.');
    case 'file':
      return trans.__('The secret is kept in an encrypted file on the Jupyter host.');
    case 'memory':
      return trans.__('The secret is kept in memory until the server stops.');
    default:
      return vault ? trans.__('The secret is kept in: %1.', vault) : '';
  }
}
