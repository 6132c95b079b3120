/** The commands of the connections. */
export const CommandIDs = {
  /** Ask for a new connection. */
  add: 'bridge:add-connection',
  /** Save what the notebook's kernel runs on beside the notebook. */
  environment: 'bridge:save-environment'
} as const;
