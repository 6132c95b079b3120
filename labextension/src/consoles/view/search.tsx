/** The search bar of a console. */
import { TranslationBundle } from '@jupyterlab/translation';
import {
  caretDownIcon,
  caretUpIcon,
  caseSensitiveIcon,
  closeIcon,
  ReactWidget,
  regexIcon
} from '@jupyterlab/ui-components';
import { ISearchOptions } from '@xterm/addon-search';
import { KeyboardEvent } from 'react';
import { IconButton } from '../../ui/components';
import { JournalSearch } from './journalSearch';
import { Screen } from './screen';

const DECORATIONS: ISearchOptions['decorations'] = {
  matchBackground: '#ffd54f',
  activeMatchBackground: '#ff9800',
  matchOverviewRuler: '#ffd54f',
  activeMatchColorOverviewRuler: '#ff9800'
};

export class SearchBar extends ReactWidget {
  constructor(
    private screen: Screen,
    private journal: JournalSearch,
    private trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-BridgeConsole-search');
    screen.search.onDidChangeResults(({ resultIndex, resultCount }) => {
      this.matches = resultCount ? `${resultIndex + 1}/${resultCount}` : trans.__('no matches');
      this.update();
    });
  }

  focus(): void {
    this.node.querySelector('input')?.select();
  }

  protected override render(): JSX.Element {
    const { trans } = this;
    return (
      <>
        <input
          type="search"
          className="jp-Bridge-filter"
          aria-label={trans.__('Search the console')}
          placeholder={trans.__('Search')}
          defaultValue=""
          onChange={event => this.find(event.target.value, true)}
          onKeyDown={event => this.onKey(event)}
        />
        <span role="status">{this.text && this.matches}</span>
        <IconButton
          icon={caseSensitiveIcon}
          label={trans.__('Match case')}
          pressed={this.options.caseSensitive}
          onClick={() => this.toggle('caseSensitive')}
        />
        <IconButton
          icon={regexIcon}
          label={trans.__('Regular expression')}
          pressed={this.options.regex}
          onClick={() => this.toggle('regex')}
        />
        <IconButton icon={caretUpIcon} label={trans.__('Previous')} onClick={() => this.go(-1)} />
        <IconButton icon={caretDownIcon} label={trans.__('Next')} onClick={() => this.go(1)} />
        <IconButton
          icon={closeIcon}
          label={trans.__('Close the search')}
          onClick={() => this.close()}
        />
      </>
    );
  }

  private onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.key === 'Enter') {
      this.go(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      this.close();
    }
  }

  private toggle(option: 'caseSensitive' | 'regex'): void {
    this.options = { ...this.options, [option]: !this.options[option] };
    this.update();
    this.find(this.text, true);
  }

  private find(text: string, incremental = false): void {
    this.text = text;
    // Otherwise the add-on does not search again for the same text with other options.
    this.screen.search.clearDecorations();
    if (text === '' || (this.options.regex && !isPattern(text))) {
      this.journal.find('', this.options);
      this.update();
    } else {
      this.journal.find(text, this.options);
      this.screen.search.findNext(text, { ...this.options, incremental });
    }
  }

  private go(step: 1 | -1): void {
    if (this.text && (!this.options.regex || isPattern(this.text))) {
      this.screen.search[step > 0 ? 'findNext' : 'findPrevious'](this.text, this.options);
    }
  }

  /** Mark the match in the line that is selected. */
  markSelected(): void {
    this.screen.search.findNext(this.text, { ...this.options, incremental: true });
  }

  override close(): void {
    this.journal.find('', this.options);
    this.screen.search.clearDecorations();
    this.hide();
    this.screen.term.focus();
  }

  private text = '';
  private matches = '';
  private options: ISearchOptions = {
    caseSensitive: false,
    regex: false,
    decorations: DECORATIONS
  };
}

function isPattern(text: string): boolean {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}
