/** The commands of the consoles, and what they take. */
export const CommandIDs = {
  /** `{name, mode?}`: show a console. */
  open: 'bridge:open-console',
  /** A new terminal, shown. */
  create: 'bridge:new-terminal',
  /** `{console?}`: the form to run commands. */
  run: 'bridge:run-command',
  /** Follow the file that is selected in the file browser. */
  tail: 'bridge:tail-file',
  /** Look for a text in the console that is shown. */
  search: 'bridge:search-console',
  /** Show the present of the console that is shown, and follow it. */
  live: 'bridge:console-to-present',
  /** Show the first that is known of the console that is shown. */
  first: 'bridge:console-to-first'
} as const;
