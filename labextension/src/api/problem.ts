/**
 * An expected failure as the server reports it: a code, an HTTP status, and a message that says
 * what to do. Failures without a message (a proxy's error page, a lost connection) get one here.
 */
import { visible } from '../wire/visible';

export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly details: Record<string, unknown> = {}
  ) {
    super(visible(message)); // some messages quote a remote system
    this.name = 'Problem';
  }

  /** The Problem in the body of a response. */
  static async from(response: Response): Promise<Problem> {
    const text = await response.text().catch(() => '');
    return Problem.of(text, response.status);
  }

  /** The Problem in a JSON text: a response's body, or the payload of an `e` frame. */
  static of(text: string, status = 0): Problem {
    let fields: Record<string, unknown> = {};
    try {
      fields = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    } catch {
      // Not JSON: a proxy or a login page answered.
    }
    const { error, message, reason, ...details } = fields;
    if (typeof message === 'string' && message) {
      return new Problem(typeof error === 'string' ? error : 'unknown', status, message, details);
    }
    return new Problem('unknown', status, typeof reason === 'string' ? reason : messageOf(status));
  }

  /** Any thrown error, as a Problem. */
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

function messageOf(status: number): string {
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
