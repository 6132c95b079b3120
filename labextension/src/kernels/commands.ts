/** The commands of kernels, and what they take. */
export const CommandIDs = {
  /** `{kernelspec?}`: spawn a kernel; asks for what is not given. */
  spawn: 'bridge:spawn-kernel',
  /** `{id, name?}`: show what a kernel says, message by message. */
  messages: 'bridge:open-messages'
} as const;
