/** A JSON Schema of draft 2020-12, which OpenAPI 3.1 uses as it is. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** The same or null. */
export function nullable(schema: JsonSchema): JsonSchema {
  const { type, enum: values } = schema
  return {
    ...schema,
    ...(type !== undefined && { type: [type, 'null'].flat() }),
    ...(Array.isArray(values) && { enum: [...(values as unknown[]), null] }),
  }
}
