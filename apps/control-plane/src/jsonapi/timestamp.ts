const rfc3339 = /^(\d{4}-\d\d-\d\d)(?:[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?$/

/**
 * An RFC 3339 date-time, or a date alone, which stands for its first moment in UTC. Null when it is neither, or not in the
 * years 1 to 9999 of UTC, which are all that RFC 3339 can write.
 */
export function parseTimestamp(text: string): Date | null {
  const match = rfc3339.exec(text)
  if (!match) return null
  // Date.parse takes 30 February for 2 March.
  const day = new Date(`${match[1]}T00:00:00Z`)
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(match[1] ?? '')) return null
  const date = new Date(text.toUpperCase())
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? date : null
}
