/** The commands of kernels, and what they take. */
export namespace CommandIDs {
  /** `{kernelspec?}`: spawn a kernel; asks for what is not given. */
  export const spawn = 'bridge:spawn-kernel';
  /** `{id, name?}`: show what a kernel says, message by message. */
  export const messages = 'bridge:open-messages';
}
