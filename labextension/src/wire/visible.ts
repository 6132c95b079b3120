/**
 * Makes untrusted text safe to read: invisible characters become escape sequences, as in Python. A
 * name may contain characters that reorder the line, that have no width, or that break it; React
 * shows them unchanged. `jupyter_bridge/wire/visible.py` has the same characters.
 */
const INVISIBLE =
  /[\0-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\u{13430}-\u{1345f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\ud800-\udfff]|(?<![\u00a9\u00ae\u203c-\u3299\u{1f000}-\u{1faff}])[\ufe0e\ufe0f]/gu;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text as one line without invisible characters. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, one => SHORT[one] ?? escaped(one.codePointAt(0)!.toString(16)));
}

function escaped(hex: string): string {
  if (hex.length <= 2) {
    return `\\x${hex.padStart(2, '0')}`;
  }
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
