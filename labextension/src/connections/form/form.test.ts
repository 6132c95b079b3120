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

  test('has required fields first, then the username and secrets', () => {
    expect(fields.slice(0, 3).map(field => field.name)).toEqual(['url', 'username', 'word']);
    expect(named.url.required).toBe(true);
    expect(named.url.label).toBe('Address');
    expect(named.username.label).toBe('Username');
  });

  test('knows each type, also in a union with null and behind a reference', () => {
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

  test('sends changed values in their types, and leaves out the others', () => {
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
  ])('names the field %s if its value is invalid', (name, given) => {
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

test('properties of data sets are fields, and a vocabulary is a choice', () => {
  const unset = { mandatory: null, ordinal: null, section: null, label: null, description: null };
  const fields = propertyFields([
    { ...unset, code: '$NAME', label: 'Name', mandatory: true, dataType: 'VARCHAR' },
    { ...unset, code: 'COUNT', dataType: 'INTEGER' },
    {
      ...unset,
      code: 'KIND',
      dataType: 'CONTROLLEDVOCABULARY',
      terms: [{ code: 'A', label: 'Apple' }]
    },
    { ...unset, code: 'LOST', dataType: 'CONTROLLEDVOCABULARY' }
  ]);
  expect(fields.map(field => field.input)).toEqual(['text', 'integer', 'choice', 'text']);
  expect(fields[0]).toMatchObject({ label: 'Name', required: true });
  expect(fields[2].options).toEqual([{ value: 'A', label: 'Apple' }]);
});
