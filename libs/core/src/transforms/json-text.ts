/** ES2026, in every engine that runs this; the types of ES2024 do not have it yet. */
const json = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown
  rawJSON(text: string): object
  isRawJSON(value: unknown): boolean
}

/** A digit run, fraction or exponent that a double might not give back as it was written. In a text it costs time only. */
const delicateNumber = /-0|\d(?:\d{15}|[.eE])/

/**
 * JSON to be written again: numbers that a double would spell in another way (`1.0`, `12345678901234567890`) keep their
 * text, as values that are neither read nor entered. Undefined for what is no JSON, and for what is nested too deeply.
 */
export function parseJsonText(text: string): unknown {
  try {
    return delicateNumber.test(text) ? json.parse(text, keepNumber) : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

function keepNumber(_key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value
}

/** Undefined for what is nested too deeply. */
export function writeJsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** A JSON object, and not a number that kept its text. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !json.isRawJSON(value)
}
