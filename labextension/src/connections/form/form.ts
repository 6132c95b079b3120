/**
 * Forms as data: turns a connector's JSON Schema, or the properties of a type of data sets, into
 * fields, and the fields' values into the body of a request. Independent of the kind of connection.
 */
import { PropertyAssignment } from '../../api/types';

/** The part of JSON Schema that the server uses. */
export interface Schema {
  title?: string;
  description?: string;
  type?: string;
  enum?: (string | number)[];
  const?: string | number;
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  format?: string;
  writeOnly?: boolean;
  $ref?: string;
  $defs?: Record<string, Schema>;
}

/** `lines` is a list of strings, one in each line; `json` is for types without a better input. */
export type Input =
  'text' | 'secret' | 'integer' | 'number' | 'boolean' | 'choice' | 'lines' | 'json';

export interface Field {
  name: string;
  label: string;
  description?: string;
  input: Input;
  required: boolean;
  /** The initial value. */
  initial: string | boolean;
  options?: { value: string; label: string }[];
  minimum?: number;
  maximum?: number;
}

/** The values by the name of the field: strings, and booleans of checkboxes. */
export type Values = Record<string, string | boolean>;

/** The value of a field is invalid. */
export class FieldError extends Error {
  constructor(
    readonly field: string,
    message: string
  ) {
    super(message);
  }
}

/** The fields of a schema: the required ones first, then the username, secrets, and the others. */
export function fieldsOf(schema: Schema, secret: readonly string[] = []): Field[] {
  const required = schema.required ?? [];
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const inner = resolve(property, schema);
    return {
      name,
      label: property.title ?? inner.title ?? labelOf(name),
      description: property.description ?? inner.description,
      input: inputOf(inner, secret.includes(name)),
      required: required.includes(name),
      initial: initialOf(property.default ?? inner.default, inner),
      options: optionsOf(inner),
      minimum: inner.minimum,
      maximum: inner.maximum
    };
  });
  const order = (field: Field) =>
    field.required ? 0 : field.name === 'username' ? 1 : field.input === 'secret' ? 2 : 3;
  return fields.sort((one, other) => order(one) - order(other));
}

/** The fields of the properties of a type of data sets. */
export function propertyFields(assignments: readonly PropertyAssignment[]): Field[] {
  const inputs: Record<string, Input> = {
    INTEGER: 'integer',
    REAL: 'number',
    BOOLEAN: 'boolean',
    CONTROLLEDVOCABULARY: 'choice'
  };
  return assignments.map(one => {
    const input = inputs[one.dataType ?? ''] ?? 'text';
    return {
      name: one.code,
      label: one.label || one.code,
      description: one.description ?? undefined,
      input: input === 'choice' && !one.terms ? 'text' : input,
      required: one.mandatory === true,
      initial: input === 'boolean' ? false : '',
      options: one.terms?.map(({ code, label }) => ({
        value: code ?? '',
        label: label || code || ''
      }))
    };
  });
}

/** The initial values of a form. */
export function initialsOf(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map(field => [field.name, field.initial]));
}

/** The body to send, without optional fields that were not changed. Throws a FieldError. */
export function bodyOf(
  fields: readonly Field[],
  values: Values,
  translate: (text: string, label: string) => string = text => text
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name] ?? field.initial;
    if (field.required && value === '') {
      throw new FieldError(field.name, translate('%1 is required.', field.label));
    }
    if (value !== field.initial || (field.required && value !== '')) {
      body[field.name] = parsed(field, value, translate);
    }
  }
  return body;
}

function parsed(
  field: Field,
  value: string | boolean,
  translate: (text: string, label: string) => string
): unknown {
  if (typeof value === 'boolean') {
    return value;
  }
  switch (field.input) {
    case 'integer':
    case 'number': {
      const number = value.trim() === '' ? NaN : Number(value);
      if (field.input === 'integer' ? !Number.isSafeInteger(number) : !Number.isFinite(number)) {
        throw new FieldError(field.name, translate('%1 must be a number.', field.label));
      }
      return number;
    }
    case 'lines':
      return value
        .split('\n')
        .map(line => line.trim())
        .filter(line => line !== '');
    case 'json':
      try {
        return JSON.parse(value);
      } catch {
        throw new FieldError(field.name, translate('%1 must be JSON.', field.label));
      }
    default:
      return value;
  }
}

/** The schema behind a reference, and in a union with `null` the other one. */
function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref) {
    return resolve(root.$defs?.[schema.$ref.split('/').pop()!] ?? {}, root);
  }
  const options = schema.anyOf?.filter(one => one.type !== 'null');
  return options?.length === 1 ? { ...schema, ...resolve(options[0], root) } : schema;
}

function inputOf(schema: Schema, isSecret: boolean): Input {
  if (isSecret || schema.writeOnly || schema.format === 'password') {
    return 'secret';
  }
  if (schema.enum) {
    return 'choice';
  }
  switch (schema.type) {
    case 'integer':
    case 'number':
    case 'boolean':
      return schema.type;
    case 'string':
      return 'text';
    case 'array':
      return schema.items?.type === 'string' ? 'lines' : 'json';
    default:
      return 'json';
  }
}

function initialOf(value: unknown, schema: Schema): string | boolean {
  if (schema.type === 'boolean') {
    return value === true;
  }
  if (value === undefined || value === null) {
    return '';
  }
  if (Array.isArray(value) && schema.items?.type === 'string') {
    return value.join('\n');
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function optionsOf(schema: Schema): Field['options'] {
  return schema.enum?.map(one => ({ value: String(one), label: String(one) }));
}

/** `ca_file` is "Ca file", `url` "URL". */
function labelOf(name: string): string {
  const text = name.replace(/_/g, ' ');
  return /^(url|id|ip)$/.test(text) ? text.toUpperCase() : text[0].toUpperCase() + text.slice(1);
}
