/** Quoting for shell commands that the user copies. */

/** A text as one word of a POSIX shell, whatever its characters. */
export function quoted(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}
