/** The view of a console: the screen, a search bar, a status line. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Panel, Widget } from '@lumino/widgets';
import { Mode } from '../../wire/console';
import { Consoles } from '../client';
import { Hits } from './hits';
import { JournalSearch } from './journalSearch';
import { ConsoleModel } from './model';
import { Screen } from './screen';
import { SearchBar } from './search';
import { StatusLine } from './statusLine';
import { terminalTheme } from './theme';
import { Timeline } from './timeline';
import { TimelineList } from './timelineList';

/** The settings of a view, by their names in `schema/consoles.json`. */
export interface ViewSettings {
  fontSize: number;
  fontFamily: string;
  lineHeight: number;
  screenReader: boolean;
  /** A view that has been hidden for so many seconds stops reading. */
  restAfter: number;
}

export class ConsoleView extends Panel {
  constructor(
    client: Consoles,
    name: string,
    mode: Mode,
    trans: TranslationBundle,
    private settings: ViewSettings
  ) {
    super();
    this.addClass('jp-BridgeConsole');
    this.screen = new Screen({
      theme: terminalTheme(),
      fontSize: settings.fontSize,
      fontFamily: settings.fontFamily,
      lineHeight: settings.lineHeight,
      screenReaderMode: settings.screenReader
    });
    this.model = new ConsoleModel(name, mode, client, this.screen, trans);
    this.journal = new JournalSearch(this.model, client);
    this.search = new SearchBar(this.screen, this.journal, trans);
    this.search.hide();
    const hits = ReactWidget.create(
      <Hits
        search={this.journal}
        console={this.model}
        trans={trans}
        onShow={() => this.search.markSelected()}
      />
    );
    hits.addClass('jp-BridgeConsole-found');
    this.journal.changed.connect(() => requestAnimationFrame(() => this.fitScreen()));
    this.timeline = new Timeline(this.model, client);
    this.timeline.changed.connect(() => requestAnimationFrame(() => this.fitScreen()));
    this.model.stream.frame.connect(() => this.timeline.onOutput());
    const commands = ReactWidget.create(<TimelineList timeline={this.timeline} trans={trans} />);
    const body = new Panel();
    body.addClass('jp-BridgeConsole-body');
    body.addWidget(this.screenHost);
    body.addWidget(commands);
    this.screenHost.addClass('jp-BridgeConsole-screen');
    const status = ReactWidget.create(<StatusLine model={this.model} trans={trans} />);
    status.addClass('jp-BridgeConsole-status');
    for (const widget of [this.search, hits, body, status]) {
      this.addWidget(widget);
    }
    this.connectKeys();
    document.addEventListener('visibilitychange', this.updateVisibility);
  }

  readonly model: ConsoleModel;
  readonly search: SearchBar;
  readonly timeline: Timeline;

  override dispose(): void {
    if (!this.isDisposed) {
      clearTimeout(this.pauseTimer);
      document.removeEventListener('visibilitychange', this.updateVisibility);
      this.journal.dispose();
      this.timeline.dispose();
      this.model.dispose();
      this.screen.dispose();
      super.dispose();
    }
  }

  /** Apply the current theme and these settings. */
  restyle(settings: ViewSettings): void {
    this.settings = settings;
    Object.assign(this.screen.term.options, {
      theme: terminalTheme(),
      fontSize: settings.fontSize,
      fontFamily: settings.fontFamily,
      lineHeight: settings.lineHeight,
      screenReaderMode: settings.screenReader
    });
    this.fitScreen();
  }

  showSearch(): void {
    this.search.show();
    this.search.focus();
    this.fitScreen();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.updateVisibility();
    this.fitScreen();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.updateVisibility();
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this.fitScreen();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.screen.term.focus();
  }

  /** Read while the view is visible; pause some time after it was hidden. */
  private updateVisibility = (): void => {
    clearTimeout(this.pauseTimer);
    if (this.isVisible && document.visibilityState === 'visible') {
      this.model.resume();
    } else {
      this.pauseTimer = setTimeout(() => this.model.pause(), this.settings.restAfter * 1000);
    }
  };

  private fitScreen(): void {
    const { clientWidth, clientHeight } = this.screenHost.node;
    if (!this.isVisible || clientWidth === 0 || clientHeight === 0) {
      return;
    }
    if (!this.screen.term.element) {
      this.screen.term.open(this.screenHost.node);
      this.screen.term.textarea?.setAttribute('aria-label', this.model.name);
    }
    this.screen.fit.fit();
    const { rows, cols } = this.screen.term;
    this.model.stream.resize(rows, cols);
    this.model.open();
  }

  private connectKeys(): void {
    const { term } = this.screen;
    const encoder = new TextEncoder();
    term.onData(text => this.model.type(encoder.encode(text)));
    term.onBinary(text => this.model.type(Uint8Array.from(text, one => one.charCodeAt(0))));
    term.attachCustomKeyEventHandler(event => this.onKey(event));
    // In the capture phase: the terminal stops the events that it handles.
    for (const event of ['wheel', 'pointerup']) {
      const options = { capture: true, passive: true };
      this.screenHost.node.addEventListener(event, () => this.afterScroll(), options);
    }
  }

  /** Handle a key of the view; returns false for keys that the terminal must not get. */
  private onKey(event: KeyboardEvent): boolean {
    if (event.key === 'Escape' && event.shiftKey) {
      if (event.type === 'keydown') {
        this.node.closest('.jp-MainAreaWidget')?.querySelector<HTMLElement>('button')?.focus();
      }
      return false; // leaves the terminal without a mouse
    }
    if (event.shiftKey && ['PageUp', 'PageDown', 'Home', 'End'].includes(event.key)) {
      const { term } = this.screen;
      if (event.type === 'keydown' && event.key === 'Home') {
        term.scrollToTop();
      } else if (event.type === 'keydown' && event.key === 'End') {
        term.scrollToBottom();
      }
      this.afterScroll();
      return event.key.startsWith('Page'); // the terminal scrolls by pages itself
    }
    if (event.key.toLowerCase() === 'f' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      if (event.type === 'keydown') {
        event.preventDefault();
        this.showSearch();
      }
      return false;
    }
    return true;
  }

  /** Tell the model that the user scrolled, once the screen has moved. */
  private afterScroll(): void {
    requestAnimationFrame(() => setTimeout(() => this.model.onUserScroll(), 30));
  }

  private readonly screen: Screen;
  private readonly journal: JournalSearch;
  private readonly screenHost = new Widget();
  private pauseTimer: ReturnType<typeof setTimeout> | undefined;
}
