/** The commands of connections. */
export const CommandIDs = {
  /** Open the dialog that adds a connection. */
  add: 'bridge:add-connection',
  /** Save the packages and version of the notebook's kernel in the notebook's folder. */
  environment: 'bridge:save-environment'
} as const;
