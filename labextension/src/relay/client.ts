/** The routes of `relay/handlers/`, for the panel. */
import { Server } from '../server';

/** A kernel as `GET B/kernels` shows it. */
export interface Kernel {
  id: string;
  name: string;
  kernelspec: string;
  execution_state: string | null;
  last_activity: string | null;
  connections: number;
  executing?: { since: string; code?: string };
  conn?: string;
  relay: { clients: number; first_seq: number; last_seq: number; bytes: number };
}

export class Kernels {
  constructor(private server: Server) {}

  list(): Promise<Kernel[]> {
    return this.server.ask('GET', this.server.url('kernels'));
  }

  get(id: string): Promise<Kernel> {
    return this.server.ask('GET', this.server.url('kernels', id));
  }

  shutdown(id: string): Promise<void> {
    return this.server.ask('DELETE', this.server.url('shutdown', id));
  }
}
