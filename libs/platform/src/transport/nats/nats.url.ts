import type { ConnectionOptions } from '@nats-io/transport-node'

/**
 * `nats://[user:password@|token@]host[:port]`, several with commas between; `tls://` asks for TLS. Scheme and credentials
 * are taken from the first.
 *
 * @throws naming the setting, never its value, which may hold a password.
 */
export function natsOptions(natsUrl: string): ConnectionOptions {
  const urls = natsUrl.split(',').map((part) => parsed(part.trim()))
  const options: ConnectionOptions = { servers: urls.map((url) => url.host) }
  const [first] = urls
  if (first === undefined) return options
  if (first.protocol === 'tls:') options.tls = {}
  if (first.password !== '') {
    options.user = decodeURIComponent(first.username)
    options.pass = decodeURIComponent(first.password)
  } else if (first.username !== '') {
    options.token = decodeURIComponent(first.username)
  }
  return options
}

function parsed(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `nats://${text}`)
  if (url !== null && url.host !== '' && /^(nats|tls):$/.test(url.protocol)) return url
  throw new Error('NATS_URL must be nats://host:port or tls://host:port, or several with commas between')
}
