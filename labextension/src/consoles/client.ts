/** The routes of `consoles/handlers/`, for the panel. */
import { Server, withQuery } from '../api/server';
import { Console, Run, RunBody } from '../api/types';
import { Mode, SUBPROTOCOL } from '../wire/console';

/** Where a viewer begins: the last lines, or an offset of an epoch. */
export type Beginning = { lines: number } | { offset: number; epoch: string };

/** What of a console's bytes was held between two offsets. */
export interface Piece {
  /** The first byte's offset. */
  offset: number;
  data: Uint8Array;
}

/** An event of a run's stream. */
export interface RunEvent {
  event: 'output' | 'done' | 'problem';
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

  /** End it; `purge` forgets also what it said. */
  end(name: string, purge = false): Promise<void> {
    const query = { purge: purge ? 1 : undefined };
    return this.server.request('DELETE', withQuery(this.server.url('consoles', name), query));
  }

  /** Where its bytes can be downloaded from. */
  journalUrl(name: string): string {
    return withQuery(this.server.url('tail', name), { offset: 0, format: 'raw' });
  }

  /** Where its recording can be downloaded from. */
  recordingUrl(name: string): string {
    return this.server.url('recording', name);
  }

  /** What it said from `offset` up to `to`; what is no longer held is left out. */
  async read(name: string, offset: number, to: number): Promise<Piece> {
    const url = withQuery(this.server.url('tail', name), { offset, to, format: 'raw' });
    const response = await this.server.send('GET', url);
    return {
      offset: Number(response.headers.get('Bridge-Offset') ?? offset),
      data: new Uint8Array(await response.arrayBuffer())
    };
  }

  /** A websocket to it, both ways. */
  open(name: string, mode: Mode, beginning: Beginning): WebSocket {
    const url = withQuery(this.server.url('interact', name), { mode, ...beginning });
    const socket = this.server.open(url, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    return socket;
  }

  /** Run a command; its events as they come. `onBegun` is told the run's id before. */
  run(
    request: RunBody,
    signal: AbortSignal,
    onBegun: (run: string) => void
  ): AsyncGenerator<RunEvent> {
    return this.server.stream('POST', this.server.url('run'), {
      body: { ...request, strip: true },
      signal,
      onResponse: response => onBegun(response.headers.get('Location')?.split('/').pop() ?? '')
    });
  }

  /** Stop a run: SIGINT, then TERM, then KILL. */
  stop(run: string): Promise<void> {
    return this.server.request('DELETE', this.server.url('runs', run));
  }
}
