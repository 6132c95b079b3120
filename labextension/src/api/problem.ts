/**
 * Anything expected that went wrong, as the server tells it: a code, an HTTP status, and a sentence
 * the reader can act on. What has no sentence of its own (a proxy's page, a lost connection) gets one here.
 */
import { visible } from '../wire/visible';

export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly details: Record<string, unknown> = {}
  ) {
    super(visible(message)); // some sentences quote a remote
    this.name = 'Problem';
  }

  /** The Problem in the body of an answer. */
  static async from(response: Response): Promise<Problem> {
    const text = await response.text().catch(() => '');
    return Problem.of(text, response.status);
  }

  /** The Problem in a text: a body, or the payload of an `e` frame. */
  static of(text: string, status = 0): Problem {
    let said: Record<string, unknown> = {};
    try {
      said = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    } catch {
      // Not ours: a proxy or a login page answered.
    }
    const { error, message, reason, ...details } = said;
    if (typeof message === 'string' && message) {
      return new Problem(typeof error === 'string' ? error : 'unknown', status, message, details);
    }
    return new Problem('unknown', status, typeof reason === 'string' ? reason : sentence(status));
  }

  /** Whatever was thrown, as a Problem. */
  static caught(error: unknown): Problem {
    if (error instanceof Problem) {
      return error;
    }
    if (error instanceof Error && error.name === 'NetworkError') {
      return new Problem('unreachable', 0, 'The server cannot be reached.');
    }
    return new Problem('unknown', 0, error instanceof Error ? error.message : String(error));
  }
}

function sentence(status: number): string {
  switch (status) {
    case 0:
      return 'The server cannot be reached.';
    case 401:
    case 403:
      return 'You are not allowed to do this, or your login has ended; reload the page to log in.';
    case 404:
      return 'This server has no Jupyter Bridge, or an older version.';
    case 502:
    case 503:
    case 504:
      return 'A proxy cannot reach the server. The server may be restarting.';
    default:
      return `The server sent an answer that cannot be read (status ${status}).`;
  }
}
