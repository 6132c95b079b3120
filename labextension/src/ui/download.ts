/** Downloads by the browser itself, which streams them to the disk. */
import { Server } from '../api/server';

/** Make the browser save the response of `url` in a file of this name. */
export function download(server: Server, url: string, name: string): void {
  const { token, appendToken } = server.settings;
  const link = document.createElement('a');
  const separator = url.includes('?') ? '&' : '?';
  link.href = appendToken && token ? `${url}${separator}token=${encodeURIComponent(token)}` : url;
  link.download = name.replace(/[^\w.-]+/g, '_');
  link.rel = 'noopener';
  link.click();
}
