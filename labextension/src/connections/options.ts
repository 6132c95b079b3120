/** What the section of connections is made from, besides the ground all sections stand on. */
import { CommandRegistry } from '@lumino/commands';
import { ITransfersSummary } from '../panel/tokens';
import { Place } from './fileBrowserTarget';
import { Cleared } from './transfers/transfers';

export interface Around {
  commands: CommandRegistry;
  place: Place;
  cleared: Cleared;
  /** Told what the status bar shows. */
  summary: ITransfersSummary;
  /** Handed what asks for a new connection. */
  offer: (add: () => Promise<unknown>) => void;
}
