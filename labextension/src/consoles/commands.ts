/** The commands of consoles, with their arguments. */
export const CommandIDs = {
  /** `{name, mode?}`: open a console. */
  open: 'bridge:open-console',
  /** Create a terminal and open it. */
  create: 'bridge:new-terminal',
  /** `{console?}`: open the form that runs shell commands. */
  run: 'bridge:run-command',
  /** Follow the file that is selected in the file browser. */
  tail: 'bridge:tail-file',
  /** Search the console that is shown. */
  search: 'bridge:search-console',
  /** Show the end of the console's output, and follow it. */
  live: 'bridge:console-to-present',
  /** Show the beginning of the console's output. */
  first: 'bridge:console-to-first'
} as const;
