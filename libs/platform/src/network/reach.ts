import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { addressList, isPublicAddress, parseCidrs } from './address.ts'

/** All addresses of a name. The error is that of the look-up. */
export type LookUpAll = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** The message is for whoever wrote the URL. */
export class OutOfReachError extends Error {
  override readonly name = 'OutOfReachError'
}

const lookUpAll: LookUpAll = (hostname, callback) => systemLookup(hostname, { all: true }, callback)

/**
 * Where connections may go. Of a name every address must be within, and the connection is made to one of those that were looked
 * at: there is no second look-up that could say something else.
 */
export class Reach {
  readonly #isAllowed: (address: string) => boolean
  readonly #allowsPublic: boolean
  readonly #lookUpAll: LookUpAll

  /** @param entries addresses, CIDRs, and `public`: every address of the public internet. */
  constructor(entries: readonly string[], lookUp: LookUpAll = lookUpAll) {
    this.#allowsPublic = entries.includes('public')
    this.#isAllowed = addressList(entries.filter((entry) => entry !== 'public'))
    this.#lookUpAll = lookUp
  }

  permits(address: string): boolean {
    return this.#isAllowed(address) || (this.#allowsPublic && isPublicAddress(address))
  }

  /** For `net.connect` and `tls.connect`, which do not ask it when the host is an address: then ask `permits`. */
  readonly lookup: LookupFunction = (hostname, { all }, callback) => {
    this.#lookUpAll(hostname, (error, addresses) => {
      const problem = error ?? this.#problemOf(hostname, addresses)
      const [first] = addresses ?? []
      if (problem !== null || first === undefined) callback(problem ?? new Error(`${hostname} has no address`), '')
      else if (all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

  /** @throws OutOfReachError, or the error of the look-up. */
  async check(url: URL): Promise<void> {
    // The parser has turned 127.1, 0x7f000001 and 2130706433 into 127.0.0.1.
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    const literal = isIP(hostname) !== 0
    const addresses = literal ? [{ address: hostname, family: 0 }] : await this.#all(hostname)
    const problem = this.#problemOf(hostname, addresses)
    if (problem !== null) throw problem
  }

  #all(hostname: string): Promise<LookupAddress[]> {
    return new Promise((resolve, reject) =>
      this.#lookUpAll(hostname, (error, addresses) => (error === null ? resolve(addresses) : reject(error))),
    )
  }

  #problemOf(hostname: string, addresses: readonly LookupAddress[]): OutOfReachError | null {
    const wrong = addresses.find(({ address }) => !this.permits(address))
    if (wrong === undefined) return null
    const name = wrong.address === hostname ? hostname : `${hostname}, which is ${wrong.address},`
    return new OutOfReachError(`${name} is not where upstreams may be`)
  }
}

/** @throws Error naming the entry that is neither `public`, an address nor a CIDR. */
export function parseReach(text: string): Reach {
  const entries = text.split(',').map((part) => part.trim())
  const cidrs = entries.filter((entry) => entry !== 'public')
  if (cidrs.length > 0) parseCidrs(cidrs.join(','))
  return new Reach(entries)
}
