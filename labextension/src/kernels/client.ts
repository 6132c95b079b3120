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

  spawn(kernelspec: string, body: SpawnBody = {}): Promise<Kernel> {
    return this.server.request('POST', this.server.url('spawn', kernelspec), { body });
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

  /** A websocket to all channels; it starts after the message `after`, if that is still stored. */
  open(id: string, after?: string): WebSocket {
    const url = withQuery(this.server.url('channels', id), { after });
    const socket = this.server.open(url, V1);
    socket.binaryType = 'arraybuffer';
    return socket;
  }
}
