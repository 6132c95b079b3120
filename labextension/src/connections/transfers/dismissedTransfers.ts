/** The browser's memory of transfers that were cleared away; the server keeps them for a week. */
import { Cleared } from './transfers';

const KEY = 'jupyter-bridge:cleared:';

export function clearedIn(baseUrl: string): Cleared {
  return {
    load: () => {
      try {
        const kept: unknown = JSON.parse(localStorage.getItem(KEY + baseUrl) ?? '[]');
        return Array.isArray(kept) ? kept.map(String) : [];
      } catch {
        return [];
      }
    },
    save: ids => {
      try {
        localStorage.setItem(KEY + baseUrl, JSON.stringify(ids));
      } catch {
        // A browser that keeps nothing shows them again after a reload.
      }
    }
  };
}
