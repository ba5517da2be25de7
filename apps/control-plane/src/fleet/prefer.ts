/** No connection should be kept for longer. */
export const waitSecondsMax = 60

/**
 * The `wait` preference of a request (RFC 7240 §4.3), in whole seconds, at most `waitSecondsMax`. A preference that cannot be
 * understood is no error but ignored, and of several the first counts (§2).
 *
 * @returns null when there is none.
 */
export function waitPreference(prefer: string | string[] | undefined): number | null {
  for (const preference of [prefer ?? []].flat().join(',').split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;|$)/i.exec(preference) ?? []
    if (seconds !== undefined) return Math.min(Number(seconds), waitSecondsMax)
  }
  return null
}
