/**
 * Lines of text in a stream of bytes, as `application/x-ndjson` answers hold them: UTF-8, ended by
 * `\n`; empty ones only keep the connection open and are left out.
 */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter(part => part !== '');
  }
  rest += decoder.decode();
  if (rest) {
    yield rest;
  }
}
