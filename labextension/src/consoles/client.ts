/** The routes of `consoles/handlers/`, for the panel. */
import { Server, withQuery } from '../api/server';
import { Commands, Console, Run, RunBody, Search } from '../api/types';
import { Mode, SUBPROTOCOL } from '../wire/console';

/** Where a stream starts: so many lines before the end, or at an offset of an epoch. */
export type StartPosition = { lines: number } | { offset: number; epoch: string };

/** A part of a console's journal. */
export interface JournalPart {
  /** The offset of its first byte. */
  offset: number;
  data: Uint8Array;
}

/** An event of a run's stream. */
export interface RunEvent {
  event: 'output' | 'gap' | 'waiting' | 'done' | 'problem';
  id: number;
  data: Partial<Run> & { text?: string; message?: string };
}

export class Consoles {
  constructor(private server: Server) {}

  list(): Promise<Console[]> {
    return this.server.request('GET', this.server.url('consoles'));
  }

  get(name: string): Promise<Console> {
    return this.server.request('GET', this.server.url('consoles', name));
  }

  create(): Promise<Console> {
    return this.server.request('POST', this.server.url('consoles'), { body: {} });
  }

  /** End a console; `purge` also deletes its journal. */
  end(name: string, purge = false): Promise<void> {
    const query = { purge: purge ? 1 : undefined };
    return this.server.request('DELETE', withQuery(this.server.url('consoles', name), query));
  }

  /** The URL of a download of its output. */
  journalUrl(name: string): string {
    return withQuery(this.server.url('tail', name), { offset: 0, format: 'raw' });
  }

  /** The URL of a download of its recording (asciicast). */
  recordingUrl(name: string): string {
    return this.server.url('recording', name);
  }

  /** Its output from `offset` up to `to`; starts later if the first bytes are no longer stored. */
  async read(name: string, offset: number, to: number): Promise<JournalPart> {
    const url = withQuery(this.server.url('tail', name), { offset, to, format: 'raw' });
    const response = await this.server.send('GET', url);
    return {
      offset: Number(response.headers.get('Bridge-Offset') ?? offset),
      data: new Uint8Array(await response.arrayBuffer())
    };
  }

  /** Search its whole journal for a text, or with `regex` for a pattern in RE2's syntax. */
  search(name: string, q: string, regex: boolean, limit: number): Promise<Search> {
    const query = { q, regex: regex ? 'true' : undefined, console: name, limit };
    return this.server.request('GET', withQuery(this.server.url('search'), query));
  }

  /** The newest commands of its shell, of those before an offset if given. */
  commands(name: string, limit: number, before?: number): Promise<Commands> {
    const query = { limit, before };
    return this.server.request(
      'GET',
      withQuery(this.server.url('consoles', name, 'commands'), query)
    );
  }

  /** A websocket for its output and for input. */
  open(name: string, mode: Mode, start: StartPosition): WebSocket {
    const url = withQuery(this.server.url('interact', name), { mode, ...start });
    const socket = this.server.open(url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    return socket;
  }

  /** Run a command and yield its events; calls `onStarted` with the run's id before the first. */
  run(
    request: RunBody,
    signal: AbortSignal,
    onStarted: (run: string) => void
  ): AsyncGenerator<RunEvent> {
    return this.server.stream('POST', this.server.url('run'), {
      body: { ...request, strip: true },
      signal,
      onResponse: response => onStarted(response.headers.get('Location')?.split('/').pop() ?? '')
    });
  }

  /** Stop a run: SIGINT, then SIGTERM, then SIGKILL. */
  stop(run: string): Promise<void> {
    return this.server.request('DELETE', this.server.url('runs', run));
  }
}
