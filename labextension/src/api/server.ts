/**
 * The way to the server: every request goes through `ServerConnection`, which knows the base URL,
 * the token, the XSRF cookie and a hub's rules. An answer that is no success is thrown as a Problem.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { Problem } from './problem';
import { lines } from '../wire/lines';

/** What a request may carry beside its path. */
export interface Asking {
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Told of a stream's answer before its first event; its headers may name what was begun. */
  onAnswer?: (response: Response) => void;
}

/** An event of a stream: what `application/x-ndjson` answers hold, a line each. */
export interface StreamEvent<T = unknown> {
  event: string;
  id: string | number;
  data: T;
}

const TOKEN_PROTOCOL = 'v1.token.websocket.jupyter.org.';

export class Server {
  constructor(readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {}

  /**
   * The address of a bridge route, with each part of its path quoted: `url('conn', name)`. Parts come
   * from remotes, too: a browser takes `..` for a step up, quoted or not, and would ask another route
   * in the reader's name, so that is thrown as a Problem.
   */
  url(...path: string[]): string {
    const dots = path.find(part => part === '.' || part === '..');
    if (dots !== undefined) {
      throw new Problem('bad-request', 400, `A path may not contain “${dots}”.`);
    }
    return URLExt.join(this.settings.baseUrl, 'bridge', ...path.map(encodeURIComponent));
  }

  /** Ask, and read the JSON of the answer (undefined where there is none). */
  async ask<T>(method: string, url: string, asking: Asking = {}): Promise<T> {
    const response = await this.send(method, url, asking);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Ask for a stream of events; ends when the server ends it, or with `asking.signal`. */
  async *stream<T>(method: string, url: string, asking: Asking = {}): AsyncGenerator<T> {
    const headers = { Accept: 'application/x-ndjson', ...asking.headers };
    const response = await this.send(method, url, { ...asking, headers });
    asking.onAnswer?.(response);
    if (response.body) {
      for await (const line of lines(chunks(response.body))) {
        yield JSON.parse(line) as T;
      }
    }
  }

  /** The answer itself; a Problem is thrown for anything but success. */
  async send(method: string, url: string, asking: Asking = {}): Promise<Response> {
    const { body, headers, signal } = asking;
    const init: RequestInit = { method, signal, headers: { ...headers }, cache: 'no-store' };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...init.headers, 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      throw signal?.aborted ? error : Problem.caught(error);
    }
    if (!response.ok) {
      throw await Problem.from(response);
    }
    return response;
  }

  /** Open a websocket; the token goes in the handshake's subprotocols, where no log shows it. */
  open(url: string, protocol: string): WebSocket {
    const { WebSocket, token, wsUrl, baseUrl } = this.settings;
    const protocols = token ? [protocol, TOKEN_PROTOCOL + token] : [protocol];
    return new WebSocket(URLExt.join(wsUrl, url.slice(baseUrl.length)), protocols);
  }
}

/** `url` with a query; what is undefined is left out. */
export function withQuery(
  url: string,
  query: Record<string, string | number | boolean | undefined>
): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length
    ? `${url}?${given.map(([key, value]) => `${key}=${encodeURIComponent(value as string)}`).join('&')}`
    : url;
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
