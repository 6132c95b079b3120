/**
 * Forms as data: a connector's JSON Schema, or the properties of a type of data sets, as the fields
 * that are drawn, and what was filled in as the body of a request. Nothing here knows a kind.
 */
import { PropertyAssignment } from '../../api/types';

/** What is used of JSON Schema; the server's own says no more. */
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

/** `lines` is a list of texts, one a line; `json` whatever has no better field. */
export type Input =
  'text' | 'secret' | 'integer' | 'number' | 'boolean' | 'choice' | 'lines' | 'json';

export interface Field {
  name: string;
  label: string;
  description?: string;
  input: Input;
  required: boolean;
  /** What stands there at first. */
  initial: string | boolean;
  options?: { value: string; label: string }[];
  minimum?: number;
  maximum?: number;
}

/** What was filled in: texts, and ticks. */
export type Values = Record<string, string | boolean>;

/** A value that the form itself refuses. */
export class FieldError extends Error {
  constructor(
    readonly field: string,
    message: string
  ) {
    super(message);
  }
}

/** The fields of a schema, the required ones first, secrets next to the name that they prove. */
export function fieldsOf(schema: Schema, secret: readonly string[] = []): Field[] {
  const required = schema.required ?? [];
  const fields = Object.entries(schema.properties ?? {}).map(([name, told]) => {
    const inner = resolve(told, schema);
    return {
      name,
      label: told.title ?? inner.title ?? worded(name),
      description: told.description ?? inner.description,
      input: inputOf(inner, secret.includes(name)),
      required: required.includes(name),
      initial: initialOf(told.default ?? inner.default, inner),
      options: optionsOf(inner),
      minimum: inner.minimum,
      maximum: inner.maximum
    };
  });
  const order = (field: Field) =>
    field.required ? 0 : field.name === 'username' ? 1 : field.input === 'secret' ? 2 : 3;
  return fields.sort((one, other) => order(one) - order(other));
}

/** The fields of the properties that a data set of a type has. */
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

/** What stands in a form at first. */
export function initialsOf(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map(field => [field.name, field.initial]));
}

/** What is sent: fields left as they were are left out. Throws a FieldError. */
export function bodyOf(
  fields: readonly Field[],
  values: Values,
  say: (text: string, label: string) => string = text => text
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name] ?? field.initial;
    if (field.required && value === '') {
      throw new FieldError(field.name, say('%1 is required.', field.label));
    }
    if (value !== field.initial || (field.required && value !== '')) {
      body[field.name] = parsed(field, value, say);
    }
  }
  return body;
}

function parsed(
  field: Field,
  value: string | boolean,
  say: (text: string, label: string) => string
): unknown {
  if (typeof value === 'boolean') {
    return value;
  }
  switch (field.input) {
    case 'integer':
    case 'number': {
      const number = value.trim() === '' ? NaN : Number(value);
      if (field.input === 'integer' ? !Number.isSafeInteger(number) : !Number.isFinite(number)) {
        throw new FieldError(field.name, say('%1 must be a number.', field.label));
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
        throw new FieldError(field.name, say('%1 must be JSON.', field.label));
      }
    default:
      return value;
  }
}

/** The schema that counts: behind a reference, and beside `null`. */
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
function worded(name: string): string {
  const text = name.replace(/_/g, ' ');
  return /^(url|id|ip)$/.test(text) ? text.toUpperCase() : text[0].toUpperCase() + text.slice(1);
}
