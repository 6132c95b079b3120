/**
 * A search of a console's whole journal, by the server: the screen's own search sees only what is
 * loaded.
 */
import { ISearchOptions } from '@xterm/addon-search';
import { Problem } from '../../api/problem';
import { Hit, Search } from '../../api/types';
import { Model } from '../../ui/model';
import { Throttle } from '../../ui/throttle';
import { Consoles } from '../client';

/** How many hits are listed: nobody reads more. */
const LIMIT = 200;
/** At most one search in so many milliseconds while the user types. */
const PAUSE = 400;
const UNSUPPORTED = 501;

/** What a search needs of the console's view. */
export interface Searched {
  name: string;
  /** The part of the journal on the screen. */
  loaded: { start: number; end: number } | null;
  goTo(offset: number): Promise<unknown>;
}

export class JournalSearch extends Model {
  constructor(
    private console: Searched,
    private client: Pick<Consoles, 'search'>
  ) {
    super();
    this.disposables.add(this.throttle);
  }

  /** Whether there are more hits than were found. */
  isTruncated = false;

  /** The lines with the text that are not on the screen, in the order of the output. */
  get hits(): Hit[] {
    const { loaded } = this.console;
    return this.found.filter(
      hit => !loaded || hit.offset < loaded.start || hit.offset >= loaded.end
    );
  }

  /** Search for the text; an empty one ends the search. */
  find(text: string, options: ISearchOptions): void {
    this.wanted = { text, options };
    if (text === '') {
      this.take({ hits: [], truncated: false });
    } else {
      this.throttle.request();
    }
  }

  /** Load the output around a hit, and show its line. */
  async show(hit: Hit): Promise<void> {
    await this.console.goTo(hit.offset);
    this.emitChanged();
  }

  private async search(): Promise<void> {
    const { wanted } = this;
    if (wanted.text !== '') {
      await this.try(async () => {
        const answer = await this.ask(wanted.text, wanted.options);
        if (wanted === this.wanted) {
          this.take(answer);
        }
      });
    }
  }

  /** Ask the server; one without patterns is asked for the text as it is. */
  private async ask(text: string, options: ISearchOptions): Promise<Search> {
    const { name } = this.console;
    const pattern = options.regex ? text : escaped(text);
    try {
      return options.caseSensitive && !options.regex
        ? await this.client.search(name, text, false, LIMIT)
        : await this.client.search(
            name,
            options.caseSensitive ? pattern : `(?i)${pattern}`,
            true,
            LIMIT
          );
    } catch (error) {
      if (options.regex || Problem.caught(error).status !== UNSUPPORTED) {
        throw error;
      }
      return this.client.search(name, text, false, LIMIT);
    }
  }

  private take(answer: Search): void {
    this.found = answer.hits;
    this.isTruncated = answer.truncated;
    this.dismissProblem();
  }

  private found: Hit[] = [];
  private wanted: { text: string; options: ISearchOptions } = { text: '', options: {} };
  private readonly throttle = new Throttle(() => this.search(), PAUSE);
}

/** A hit's line: before the match, the match, and after it. */
export function partsOf(hit: Hit): [string, string, string] {
  const characters = Array.from(hit.line); // the server counts code points
  const part = (from: number, to?: number) => characters.slice(from, to).join('');
  return [part(0, hit.start), part(hit.start, hit.end), part(hit.end)];
}

function escaped(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
