import { maskShapes } from '../logger.ts'

/** A query as it may be shown: the names, which are the API's, without the values, which are the client's. */
export function withoutValues(query: string): string {
  return query
    .split('&')
    .map((pair) => {
      const end = pair.indexOf('=')
      // Nothing tells a lone word from a secret.
      return end === -1 ? (pair === '' ? '' : 'REDACTED') : `${maskShapes(pair.slice(0, end))}=REDACTED`
    })
    .join('&')
}
