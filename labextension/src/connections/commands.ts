/** The commands of the connections. */
export namespace CommandIDs {
  /** Ask for a new connection. */
  export const add = 'bridge:add-connection';
  /** Save what the notebook's kernel runs on beside the notebook. */
  export const environment = 'bridge:save-environment';
}
