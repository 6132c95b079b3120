/** Remembers the transfers that the user has cleared, in the browser's local storage. */
import { DismissedTransfers } from './transfers';

const KEY = 'jupyter-bridge:dismissed:';

export function dismissedIn(baseUrl: string): DismissedTransfers {
  return {
    load: () => {
      try {
        const stored: unknown = JSON.parse(localStorage.getItem(KEY + baseUrl) ?? '[]');
        return Array.isArray(stored) ? stored.map(String) : [];
      } catch {
        return [];
      }
    },
    save: ids => {
      try {
        localStorage.setItem(KEY + baseUrl, JSON.stringify(ids));
      } catch {
        // Without local storage they appear again after a reload.
      }
    }
  };
}
