/** The routes of `relay/handlers/`, for the panel. */
import { Server, withQuery } from '../api/server';
import { V1 } from '../wire/kernel';

/** A kernel as `GET B/kernels` shows it. */
export interface Kernel {
  id: string;
  name: string;
  kernelspec: string;
  execution_state: string | null;
  last_activity: string | null;
  connections: number;
  /** What it does since when; the code is known where the bridge relays it. */
  executing?: { since: string; code?: string };
  reason?: string;
  relay: { clients: number; first_seq: number; last_seq: number; bytes: number };
}

/** How a kernel is to be spawned. */
export interface Wish {
  /** What it is called in lists. */
  name?: string;
  /** Its folder, below the server's root. */
  path?: string;
}

export class Kernels {
  constructor(readonly server: Server) {}

  list(): Promise<Kernel[]> {
    return this.server.ask('GET', this.server.url('kernels'));
  }

  get(id: string): Promise<Kernel> {
    return this.server.ask('GET', this.server.url('kernels', id));
  }

  spawn(kernelspec: string, wish: Wish = {}): Promise<Kernel> {
    return this.server.ask('POST', this.server.url('spawn', kernelspec), { body: wish });
  }

  shutdown(id: string): Promise<void> {
    return this.server.ask('DELETE', this.server.url('shutdown', id));
  }

  interrupt(id: string): Promise<void> {
    return this.server.ask('POST', this.server.url('interrupt', id));
  }

  restart(id: string): Promise<void> {
    return this.server.ask('POST', this.server.url('restart', id));
  }

  /** What the kernel says, on all channels; behind the message `after`, if it is still held. */
  open(id: string, after?: string): WebSocket {
    const url = withQuery(this.server.url('channels', id), { after });
    const socket = this.server.open(url, V1);
    socket.binaryType = 'arraybuffer';
    return socket;
  }
}
