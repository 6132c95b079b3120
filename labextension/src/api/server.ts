/**
 * Requests to the bridge. All go through JupyterLab's `ServerConnection`, which knows the base URL,
 * the token, the XSRF cookie and a hub's rules. Anything but success is thrown as a Problem.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { Problem } from './problem';
import { lines } from '../wire/lines';

/** What a request may have besides its method and its URL. */
export interface RequestOptions {
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Called with the response of a stream before its first event, for its headers. */
  onResponse?: (response: Response) => void;
}

/** An event of an `application/x-ndjson` response, which has one in each line. */
export interface StreamEvent<T = unknown> {
  event: string;
  id: string | number;
  data: T;
}

const TOKEN_PROTOCOL = 'v1.token.websocket.jupyter.org.';

export class Server {
  constructor(readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {}

  /**
   * The URL of a bridge route, with each part of its path quoted: `url('conn', name)`. Some parts
   * are names that a remote system chose. A browser resolves `..` even if it is quoted, and would
   * send the user's request to another route, so `..` throws a Problem.
   */
  url(...path: string[]): string {
    const dots = path.find(part => part === '.' || part === '..');
    if (dots !== undefined) {
      throw new Problem('bad-request', 400, `A path may not contain “${dots}”.`);
    }
    return URLExt.join(this.settings.baseUrl, 'bridge', ...path.map(encodeURIComponent));
  }

  /** Send a request, and return the JSON of the response (undefined if its body is empty). */
  async request<T>(method: string, url: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.send(method, url, options);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** The events of a stream; ends when the server ends it, or when `options.signal` aborts. */
  async *stream<T>(method: string, url: string, options: RequestOptions = {}): AsyncGenerator<T> {
    const headers = { Accept: 'application/x-ndjson', ...options.headers };
    const response = await this.send(method, url, { ...options, headers });
    options.onResponse?.(response);
    if (response.body) {
      for await (const line of lines(chunks(response.body))) {
        yield JSON.parse(line) as T;
      }
    }
  }

  /** Send a request, and return its response; throws a Problem for anything but success. */
  async send(method: string, url: string, options: RequestOptions = {}): Promise<Response> {
    const { body, headers, signal } = options;
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

  /** Open a websocket. The token is sent as a subprotocol, because URLs appear in logs. */
  open(url: string, protocol: string): WebSocket {
    const { WebSocket, token, wsUrl, baseUrl } = this.settings;
    const protocols = token ? [protocol, TOKEN_PROTOCOL + token] : [protocol];
    return new WebSocket(URLExt.join(wsUrl, url.slice(baseUrl.length)), protocols);
  }
}

/** `url` with a query; undefined values are left out. */
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
