import { getMetadataStorage, IsDefined, isEmail, ValidateBy } from 'class-validator'
import { isObject } from './json.ts'
import { nullable as orNull, type JsonSchema } from './json-schema.ts'
import { parseTimestamp } from './timestamp.ts'

/**
 * Rules for the properties of input classes: one decorator a property, one message a mistake. An attribute that was not sent
 * passes them all; `nullable` lets null pass. What they let through, PostgreSQL can store. Each carries the JSON Schema of what
 * it takes, for the API's description: the schema may take more than the check, never less.
 */

interface Nullable {
  nullable?: boolean
}

/** The attribute must be sent with a create. */
export function Required(): PropertyDecorator {
  return IsDefined({ groups: ['create'], message: 'is required' })
}

interface TextOptions extends Nullable {
  max: number
  min?: number
  /** With what it says of a text that does not match. */
  pattern?: [RegExp, string]
}

export function Text({ max, min = 0, pattern, nullable }: TextOptions): PropertyDecorator {
  // Characters there are code points, here UTF-16 units: whatever fits into `max` units has at most as many code points.
  const schema = { type: 'string', ...(min > 0 && { minLength: min }), maxLength: max }
  return rule(nullable, pattern ? { ...schema, pattern: pattern[0].source } : schema, (value) => {
    if (typeof value !== 'string') return 'must be text'
    if (value.trim().length < min) return min === 1 ? 'must not be empty' : `must have at least ${min} characters`
    if (value.length > max) return `must have at most ${max} characters`
    return pattern && !pattern[0].test(value) ? pattern[1] : null
  })
}

export const integerMax = 2_147_483_647

/** A whole number; at most 2^31 - 1, unless a `max` says otherwise. */
export function Integer({
  min,
  max = integerMax,
  nullable,
}: Nullable & { min: number; max?: number }): PropertyDecorator {
  return rule(nullable, { type: 'integer', minimum: min, maximum: max }, (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? null
      : `must be a whole number from ${min} to ${max}`,
  )
}

export function Flag(): PropertyDecorator {
  return rule(false, { type: 'boolean' }, (value) => (typeof value === 'boolean' ? null : 'must be true or false'))
}

export function OneOf(values: readonly string[], { nullable }: Nullable = {}): PropertyDecorator {
  return rule(nullable, { type: 'string', enum: values }, (value) =>
    typeof value === 'string' && values.includes(value)
      ? null
      : `must be one of ${values.map((one) => `"${one}"`).join(', ')}`,
  )
}

/** A list of different texts. */
export function TextList({ max, pattern }: { max: number; pattern: [RegExp, string] }): PropertyDecorator {
  const items = { type: 'string', pattern: pattern[0].source }
  return rule(false, { type: 'array', items, maxItems: max, uniqueItems: true }, (value) => {
    if (!Array.isArray(value)) return 'must be a list'
    if (value.length > max) return `must have at most ${max} entries`
    if (!value.every((entry) => typeof entry === 'string' && pattern[0].test(entry))) return pattern[1]
    return new Set(value).size < value.length ? 'must not have an entry twice' : null
  })
}

export function Timestamp({ nullable }: Nullable = {}): PropertyDecorator {
  // No format: a date alone is taken, too.
  return rule(nullable, { type: 'string', examples: ['2026-01-31T12:00:00Z'] }, (value) =>
    typeof value === 'string' && parseTimestamp(value) ? null : 'must be a time as in 2026-01-31T12:00:00Z',
  )
}

export function EmailAddress({ nullable }: Nullable = {}): PropertyDecorator {
  return rule(nullable, { type: 'string', maxLength: 254, pattern: '^.+@.+$' }, (value) =>
    typeof value === 'string' && value.length <= 254 && isEmail(value)
      ? null
      : 'must be an e-mail address of at most 254 characters',
  )
}

/** The id of a related resource, from a linkage or a flat `<relationship>_id`. */
export function Reference({ nullable }: Nullable = {}): PropertyDecorator {
  return rule(nullable, { type: 'string', minLength: 1 }, (value) =>
    typeof value === 'string' && value !== '' ? null : 'must name a resource by its id',
  )
}

/** An object of any content, at most 64 KiB as JSON; its meaning is checked where it is known. */
export function JsonObject({ nullable }: Nullable = {}): PropertyDecorator {
  return rule(nullable, { type: 'object' }, (value) => {
    if (!isObject(value)) return 'must be an object'
    return JSON.stringify(value).length > 65_536 ? 'must not be larger than 64 KiB' : null
  })
}

/**
 * What a rule says, taken apart: a line for each problem, which may begin with the place inside the attribute, as in
 * `/0/url must be text`.
 */
export function ruleProblems(text: string): { path: string[]; detail: string }[] {
  return text.split('\n').map((line) => {
    const [, place = '', detail = ''] = /^(?:((?:\/[^/ ]+)+) )?(.*)$/s.exec(line) ?? []
    return { path: place.split('/').slice(1), detail }
  })
}

/** A property decorator from the JSON Schema of what it takes, without null, and a function that says what is wrong, or null. */
export function rule(
  nullable: boolean | undefined,
  schema: JsonSchema,
  problem: (value: unknown) => string | null,
): PropertyDecorator {
  return ValidateBy({
    name: 'rule',
    constraints: [nullable === true ? orNull(schema) : schema],
    validator: {
      validate: (value: unknown) => (nullable === true && value === null) || problem(value) === null,
      defaultMessage: (context) => problem(context?.value) ?? '',
    },
  })
}

/** The JSON Schemas of an input class's properties, and which of them a create must have. */
export function inputSchemas(Input: new () => object): { schemas: Map<string, JsonSchema>; required: string[] } {
  const schemas = new Map<string, JsonSchema>()
  const required: string[] = []
  for (const { propertyName, name, constraints } of getMetadataStorage().getTargetValidationMetadatas(
    Input,
    '',
    true,
    false,
  )) {
    if (name === 'rule') schemas.set(propertyName, { ...schemas.get(propertyName), ...(constraints[0] as JsonSchema) })
    if (name === 'isDefined') required.push(propertyName)
  }
  return { schemas, required }
}
