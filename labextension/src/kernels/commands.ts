/** The commands of kernels, with their arguments. */
export const CommandIDs = {
  /** `{kernelspec?}`: spawn a kernel; without a kernelspec, a dialog asks for it. */
  spawn: 'bridge:spawn-kernel',
  /** `{id, name?}`: show the messages of a kernel. */
  messages: 'bridge:open-messages'
} as const;
