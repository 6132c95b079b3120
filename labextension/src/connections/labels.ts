/** The state of a connection, as a colour and as a sentence. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Connection } from '../api/types';

export type Tone = 'good' | 'busy' | 'idle' | 'bad' | 'off';

/** The colour of a state; an unknown state gets the colour of a failure. */
export function toneOf({ state }: Connection): Tone {
  const tones: Record<string, Tone> = {
    connected: 'good',
    connecting: 'busy',
    disconnected: 'off'
  };
  return tones[state] ?? 'bad';
}

/** The state as a sentence, with what to do if something is wrong. */
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
        ? trans.__('%1. Log in again.', withoutFullStop(reason))
        : trans.__('Access was refused. Log in again.');
    case 'failed':
      return trans.__('Failed. Logging in again may help.') + why;
    default: // a state that only a newer server has
      return `${String(state)}.${why}`;
  }
}

function withoutFullStop(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

/** A sentence that says where secrets are kept; `vault` is the server's word for it. */
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
