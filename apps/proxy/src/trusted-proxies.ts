import { BlockList, isIP } from 'node:net'

/** Addresses that something is believed of: proxies their `X-Forwarded-*`, clients their word on tracing. */
export class TrustedProxies {
  readonly #list = new BlockList()
  readonly #isEmpty: boolean

  /**
   * @param cidrs addresses or networks, e.g. `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.
   * @throws Error naming the entry that is neither.
   */
  constructor(cidrs: readonly string[]) {
    this.#isEmpty = cidrs.length === 0
    for (const cidr of cidrs) {
      const [address = '', prefix, ...rest] = cidr.split('/')
      const family = isIP(address)
      const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix)
      if (family === 0 || rest.length > 0 || prefix === '' || !(bits >= 0 && bits <= (family === 6 ? 128 : 32))) {
        throw new Error(`"${cidr}" is neither an address nor a CIDR`)
      }
      this.#list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
    }
  }

  has(address: string): boolean {
    if (this.#isEmpty) return false
    const family = isIP(address)
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }

  /**
   * The client's address: the last in `X-Forwarded-For` that no trusted proxy can have been, walking back from the peer.
   * What stands left of it was written by the client and proves nothing.
   */
  clientAddress(peer: string, forwardedFor: string): string {
    let address = peer
    const hops = forwardedFor.split(',')
    for (let i = hops.length - 1; i >= 0 && this.has(address); i--) {
      const hop = plainAddress(hops[i]!.trim())
      if (hop === null) break
      address = hop
    }
    return address
  }
}

/** An address without port, brackets and IPv4-in-IPv6 spelling; null when it is none. */
export function plainAddress(text: string): string | null {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1]
  const address = bracketed ?? (/^\d+\.\d+\.\d+\.\d+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text)
  if (isIP(address) === 0) return null
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}
