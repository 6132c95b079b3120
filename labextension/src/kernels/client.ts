/** The routes of `kernels/handlers/`, for the panel. */
import { Server, withQuery } from '../api/server';
import { Kernel, SpawnBody } from '../api/types';
import { V1 } from '../wire/kernel';

export class Kernels {
  constructor(readonly server: Server) {}

  list(): Promise<Kernel[]> {
    return this.server.request('GET', this.server.url('kernels'));
  }

  get(id: string): Promise<Kernel> {
    return this.server.request('GET', this.server.url('kernels', id));
  }

  spawn(kernelspec: string, wish: SpawnBody = {}): Promise<Kernel> {
    return this.server.request('POST', this.server.url('spawn', kernelspec), { body: wish });
  }

  shutdown(id: string): Promise<void> {
    return this.server.request('DELETE', this.server.url('shutdown', id));
  }

  interrupt(id: string): Promise<void> {
    return this.server.request('POST', this.server.url('interrupt', id));
  }

  restart(id: string): Promise<void> {
    return this.server.request('POST', this.server.url('restart', id));
  }

  /** What the kernel says, on all channels; behind the message `after`, if it is still held. */
  open(id: string, after?: string): WebSocket {
    const url = withQuery(this.server.url('channels', id), { after });
    const socket = this.server.open(url, V1);
    socket.binaryType = 'arraybuffer';
    return socket;
  }
}
