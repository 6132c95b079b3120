import { lines } from './lines';

async function read(...chunks: Uint8Array[]): Promise<string[]> {
  async function* stream() {
    yield* chunks;
  }
  const found: string[] = [];
  for await (const line of lines(stream())) {
    found.push(line);
  }
  return found;
}

test('lines are complete wherever the chunks are cut, also within a character', async () => {
  const bytes = new TextEncoder().encode('{"a":1}\n\nsüß\n\nlast');
  const whole = ['{"a":1}', 'süß', 'last'];
  for (let at = 0; at <= bytes.length; at++) {
    expect(await read(bytes.slice(0, at), bytes.slice(at))).toEqual(whole);
  }
});
