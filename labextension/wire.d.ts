/**
 * The two things of the web platform that wire/ uses and every JavaScript has; the page's own (the
 * DOM) is not known here, so that the compiler finds whoever reaches for it.
 */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array | ArrayBuffer, options?: { stream?: boolean }): string;
}
declare class TextEncoder {
  encode(input?: string): Uint8Array;
}
