import { lookup, type LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import { addressList, isPublicAddress } from '@apigate/platform'

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

/** A URL that nothing is sent to. The message is for the owner of the webhook. */
export class RefusedTargetError extends Error {
  override readonly name = 'RefusedTargetError'
}

const systemResolve: Resolve = (hostname) => promisify(lookup)(hostname, { all: true })

/**
 * Keeps webhooks from reaching into the network that they are sent from (SSRF). A name is resolved once, every address that
 * it has is checked, and the sender dials exactly those: what a second look-up would say does not matter.
 */
export class TargetGuard {
  readonly #isAllowed: (address: string) => boolean
  readonly #resolve: Resolve

  /** @param allow addresses and CIDRs that are fine although they are not public, and also without TLS. */
  constructor(allow: readonly string[], resolve: Resolve = systemResolve) {
    this.#isAllowed = addressList(allow)
    this.#resolve = resolve
  }

  /**
   * The addresses to dial for a URL.
   *
   * @throws RefusedTargetError, or the error of a look-up that failed.
   */
  async addressesOf(target: string): Promise<LookupAddress[]> {
    const url = parseTarget(target)
    // The parser has turned 127.1, 0x7f000001 and 2130706433 into 127.0.0.1.
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    const family = isIP(hostname)
    const addresses = family === 0 ? await this.#resolve(hostname) : [{ address: hostname, family }]
    if (addresses.length === 0) throw new RefusedTargetError(`${hostname} has no address`)
    for (const { address } of addresses) {
      if (this.#isAllowed(address)) continue
      const name = address === hostname ? address : `${hostname}, which is ${address},`
      if (!isPublicAddress(address)) throw new RefusedTargetError(`${name} is not a public address`)
      if (url.protocol === 'http:') throw new RefusedTargetError('must be an https:// URL')
    }
    return addresses
  }
}

/** @throws RefusedTargetError for what is no URL to send to, wherever it leads. */
export function parseTarget(target: string): URL {
  if (!/^https?:\/\/[^\s\\]+$/i.test(target) || !URL.canParse(target)) {
    throw new RefusedTargetError('must be an https:// URL')
  }
  const url = new URL(target)
  if (url.username !== '' || url.password !== '') throw new RefusedTargetError('must not hold credentials')
  if (target.includes('#')) throw new RefusedTargetError('must not have a fragment')
  return url
}
