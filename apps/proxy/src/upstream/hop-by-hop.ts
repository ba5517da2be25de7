/**
 * Headers of one hop (RFC 9110 §7.6.1), and what belongs to this hop in practice: they never pass. `Expect` is answered
 * here; trailers of a request cannot be passed on, so neither is their announcement.
 */
export const hopByHopHeaders: readonly string[] = [
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Lower-case names that a `Connection` value takes with it; null for the common values, which name none. */
export function connectionNames(value: string | undefined): ReadonlySet<string> | null {
  if (value === undefined || value === 'keep-alive' || value === 'close' || value === 'Upgrade') return null
  return new Set(value.split(',').map((name) => name.trim().toLowerCase()))
}
