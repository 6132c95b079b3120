/** The commands of the consoles, and what they take. */
export namespace CommandIDs {
  /** `{name, mode?}`: show a console. */
  export const open = 'bridge:open-console';
  /** A new terminal, shown. */
  export const create = 'bridge:new-terminal';
  /** `{console?}`: the form to run commands. */
  export const run = 'bridge:run-command';
  /** Follow the file that is selected in the file browser. */
  export const tail = 'bridge:tail-file';
  /** Look for a text in the console that is shown. */
  export const search = 'bridge:search-console';
  /** Show the present of the console that is shown, and follow it. */
  export const live = 'bridge:console-to-present';
  /** Show the first that is known of the console that is shown. */
  export const first = 'bridge:console-to-first';
}
