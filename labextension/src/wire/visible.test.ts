import { visible } from './visible';

test.each([
  ['plain, ünï©ode ☎️ ok', 'plain, ünï©ode ☎️ ok'],
  ['a\u202egpj.exe', 'a\\u202egpj.exe'],
  ['\x1b]2;x\x07\x9b1m', '\\x1b]2;x\\x07\\x9b1m'],
  ['two\nlines\r\tand\u2028three', 'two\\nlines\\r\\tand\\u2028three'],
  ['\u200b\u2066\ufeff\u3164', '\\u200b\\u2066\\ufeff\\u3164'],
  ['tag\u{e0041}', 'tag\\U000e0041'],
  ['half \ud800 a pair', 'half \\ud800 a pair'],
  ['a\ufe0f', 'a\\ufe0f'],
  ['C:\\n', 'C:\\n']
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});
