/** The browser's memory of transfers that were cleared away; the server keeps them for a week. */
import { DismissedTransfers } from './transfers';

const KEY = 'jupyter-bridge:dismissed:';

export function dismissedIn(baseUrl: string): DismissedTransfers {
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
