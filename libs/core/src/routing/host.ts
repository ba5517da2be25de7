const regName = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
const ipLiteral = /^\[[0-9a-f:.]*:[0-9a-f:.]*\]$/
const port = /:[0-9]*$/

/**
 * The host of a `Host` value in the spelling that routes are compared in: lower-case, without port and one trailing dot;
 * IPv6 literals keep their brackets. `''` stays `''` (RFC 9112 §3.2: a target without authority). Null = answer 400:
 * anything that is not letters, digits, `-`, `_` in non-empty labels, or an address in brackets. User information,
 * lists, percent-encoding and non-ASCII never name a virtual host and are only used to confuse two parsers.
 */
export function normalizeHost(hostHeader: string): string | null {
  if (hostHeader === '') return ''
  let host = hostHeader.toLowerCase()
  const colon = host.lastIndexOf(':')
  // In brackets every colon but one after the bracket is the address's own.
  if (colon > host.lastIndexOf(']')) {
    if (!port.test(host)) return null
    host = host.slice(0, colon)
  }
  if (host.startsWith('[')) return ipLiteral.test(host) ? host : null
  if (host.endsWith('.')) host = host.slice(0, -1)
  return regName.test(host) ? host : null
}
