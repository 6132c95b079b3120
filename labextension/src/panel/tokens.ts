/** What the parts of the panel share: the way to the server, its events, and what a section is built from. */
import { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { Events } from '../api/events';
import { Server } from '../api/server';

/** What a section is made from when the panel is first shown. */
export interface PanelContext {
  server: Server;
  events: Events;
  translator: ITranslator;
  trans: TranslationBundle;
}

/** One section of the panel; its code is loaded when the panel is first shown. */
export interface Section {
  id: string;
  title: string;
  /** Smaller stands higher. */
  rank: number;
  load: (context: PanelContext) => Promise<Widget>;
}

/** The transfers under way, for who shows them in short. */
export interface ITransfersSummary {
  /** How many wait or run. */
  readonly active: number;
  /** The bytes of these, brought and in all. */
  readonly done: number;
  readonly total: number;
  readonly changed: ISignal<unknown, void>;
  /** For the section that follows them: say how they stand. */
  tell(standing: Pick<ITransfersSummary, 'active' | 'done' | 'total'>): void;
}

/** The Bridge panel: other plugins add sections to it. */
export interface IBridge extends Omit<PanelContext, 'trans'> {
  /** Add a section; before the panel is first shown. */
  add(section: Section): void;
  /** Show the panel, and return when its sections stand. */
  show(): Promise<void>;
  /** All zero until the panel is first shown. */
  readonly transfers: ITransfersSummary;
}

export const IBridge = new Token<IBridge>(
  'jupyter-bridge:IBridge',
  'The Bridge panel: its way to the server, its events, and its sections.'
);

/** The domain of all strings that are shown. */
export const DOMAIN = 'jupyter_bridge';
