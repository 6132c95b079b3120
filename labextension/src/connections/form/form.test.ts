import { bodyOf, FieldError, fieldsOf, initialsOf, propertyFields, Schema } from './form';

const schema: Schema = {
  properties: {
    pin: { title: 'Pin', anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
    word: { anyOf: [{ type: 'string', writeOnly: true }, { type: 'null' }], default: null },
    username: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
    url: { type: 'string', title: 'Address' },
    port: { type: 'integer', minimum: 1, maximum: 65535, default: 22 },
    mint: { type: 'boolean', default: false },
    nodes: { type: 'array', items: { type: 'string' }, default: [] },
    options: { type: 'object', default: {} },
    mode: { $ref: '#/$defs/Mode', default: 'slow' },
    odd: { title: 'Odd' }
  },
  required: ['url'],
  $defs: { Mode: { enum: ['slow', 'fast'] } }
};

describe('the form of a schema', () => {
  const fields = fieldsOf(schema, ['word']);
  const named = Object.fromEntries(fields.map(field => [field.name, field]));

  test('has what is required first, then who one is and how it is proven', () => {
    expect(fields.slice(0, 3).map(field => field.name)).toEqual(['url', 'username', 'word']);
    expect(named.url.required).toBe(true);
    expect(named.url.label).toBe('Address');
    expect(named.username.label).toBe('Username');
  });

  test('knows each type, also beside null and behind a reference', () => {
    const inputs = Object.fromEntries(fields.map(field => [field.name, field.input]));
    expect(inputs).toEqual({
      url: 'text',
      username: 'text',
      word: 'secret',
      pin: 'text',
      port: 'integer',
      mint: 'boolean',
      nodes: 'lines',
      options: 'json',
      mode: 'choice',
      odd: 'json'
    });
    expect(named.mode.options!.map(one => one.value)).toEqual(['slow', 'fast']);
    expect([named.port.minimum, named.port.maximum]).toEqual([1, 65535]);
  });

  test('sends what was filled in, in its type, and leaves out what was not', () => {
    const values = { ...initialsOf(fields), url: 'x://y', port: '2022', mint: true };
    expect(bodyOf(fields, values)).toEqual({ url: 'x://y', port: 2022, mint: true });
    const more = { ...values, nodes: ' a \n\nb', options: '{"cpus": 2}', mode: 'fast' };
    expect(bodyOf(fields, more)).toMatchObject({
      nodes: ['a', 'b'],
      options: { cpus: 2 },
      mode: 'fast'
    });
  });

  test.each([
    ['url', { url: '' }],
    ['port', { url: 'x', port: 'many' }],
    ['port', { url: 'x', port: '' }],
    ['port', { url: 'x', port: '1.5' }],
    ['options', { url: 'x', options: '{' }]
  ])('names the field %s that it refuses', (name, given) => {
    let error: unknown;
    try {
      bodyOf(fields, { ...initialsOf(fields), ...given });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(FieldError);
    expect((error as FieldError).field).toBe(name);
  });
});

test('the properties of a data set are fields, with the terms of a vocabulary to choose from', () => {
  const unsaid = { mandatory: null, ordinal: null, section: null, label: null, description: null };
  const fields = propertyFields([
    { ...unsaid, code: '$NAME', label: 'Name', mandatory: true, dataType: 'VARCHAR' },
    { ...unsaid, code: 'COUNT', dataType: 'INTEGER' },
    {
      ...unsaid,
      code: 'KIND',
      dataType: 'CONTROLLEDVOCABULARY',
      terms: [{ code: 'A', label: 'Apple' }]
    },
    { ...unsaid, code: 'LOST', dataType: 'CONTROLLEDVOCABULARY' }
  ]);
  expect(fields.map(field => field.input)).toEqual(['text', 'integer', 'choice', 'text']);
  expect(fields[0]).toMatchObject({ label: 'Name', required: true });
  expect(fields[2].options).toEqual([{ value: 'A', label: 'Apple' }]);
});
