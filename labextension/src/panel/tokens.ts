/** The interfaces between the panel and the plugins that add sections to it. */
import { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { Events } from '../api/events';
import { Server } from '../api/server';

/** What a section gets when the panel is first shown. */
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
  /** Sections are ordered by it, the smallest first. */
  rank: number;
  load: (context: PanelContext) => Promise<Widget>;
}

/** Of the transfers that are queued or running. */
export interface TransferCounts {
  readonly active: number;
  /** Bytes transferred so far, and in total. */
  readonly done: number;
  readonly total: number;
}

/** The current counts, for the status bar. */
export interface ITransfersSummary extends TransferCounts {
  readonly changed: ISignal<unknown, void>;
  /** Called by the section that follows the transfers. */
  set(counts: TransferCounts): void;
}

/** The Bridge panel: other plugins add sections to it. */
export interface IBridge extends Omit<PanelContext, 'trans'> {
  /** Add a section; call it before the panel is first shown. */
  add(section: Section): void;
  /** Show the panel; resolves when its sections are loaded. */
  show(): Promise<void>;
  /** All zero until the panel is first shown. */
  readonly transfers: ITransfersSummary;
}

export const IBridge = new Token<IBridge>(
  'jupyter-bridge:IBridge',
  'The Bridge panel: its sections, and its requests to and events from the server.'
);

/** The translation domain of all strings that are shown. */
export const DOMAIN = 'jupyter_bridge';
