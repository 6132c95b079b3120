/**
 * The lines of a stream of UTF-8 bytes, such as an `application/x-ndjson` response. Empty lines,
 * which only keep the connection open, are left out.
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
