/** Downloads by the browser itself, so that they are streamed to the disk. */
import { Server } from '../api/server';

/** Have the browser save what is at `url` under this name. */
export function download(server: Server, url: string, name: string): void {
  const { token, appendToken } = server.settings;
  const link = document.createElement('a');
  const mark = url.includes('?') ? '&' : '?';
  link.href = appendToken && token ? `${url}${mark}token=${encodeURIComponent(token)}` : url;
  link.download = name.replace(/[^\w.-]+/g, '_');
  link.rel = 'noopener';
  link.click();
}
