const labelChar = new Uint8Array(256)
for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789-_') labelChar[char.charCodeAt(0)] = 1

const DOT = 0x2e
/** RFC 3986 §3.2.2, lower-case. */
const regName = /^(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+$/
/** And a colon: asked apart, since a pattern with it would look at a long row of colons again from each of them. */
const addressInBrackets = /^\[[0-9a-f:.]+\]$/
const port = /:[0-9]*$/

/**
 * The host of a `Host` value in the spelling that routes are compared in: lower-case, without port and one trailing dot;
 * IPv6 addresses keep their brackets. `''` stays `''` (RFC 9112 §3.2: a target without authority). Null = answer 400:
 * what RFC 3986 §3.2.2 does not allow, user information among it. A host that is in that spelling already costs one scan.
 */
export function normalizeHost(hostHeader: string): string | null {
  let labelStart = 0
  for (let i = 0; i < hostHeader.length; i++) {
    const code = hostHeader.charCodeAt(i)
    if (code === DOT && i > labelStart) labelStart = i + 1
    else if (labelChar[code] !== 1) return normalizeUnusualHost(hostHeader.toLowerCase())
  }
  return labelStart < hostHeader.length ? hostHeader : hostHeader.slice(0, -1)
}

function normalizeUnusualHost(hostAndPort: string): string | null {
  let host = hostAndPort
  const colon = host.lastIndexOf(':')
  // In brackets every colon is the address's own.
  if (colon > host.lastIndexOf(']')) {
    if (!port.test(host)) return null
    host = host.slice(0, colon)
  }
  if (host.startsWith('[')) return addressInBrackets.test(host) && host.includes(':') ? host : null
  if (host.endsWith('.')) host = host.slice(0, -1)
  return regName.test(host) ? host : null
}
