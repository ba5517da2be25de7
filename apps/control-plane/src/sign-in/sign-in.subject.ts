import { hash } from 'node:crypto'
import ipaddr from 'ipaddr.js'

/** Who attempts to sign in, as what. */
export interface Attempt {
  address: string
  email: string
}

/** Attempts are counted for an address, for an account, and for an account from an address. */
export type Bound = 'address' | 'account' | 'account_from_address'

/** What an attempt counts against: a digest, because people type passwords into the wrong field. */
export function subjectOf(bound: Bound, { address, email }: Attempt): Uint8Array<ArrayBuffer> {
  const account = email.toLowerCase()
  const parts: Record<Bound, string[]> = {
    address: [networkOf(address)],
    account: [account],
    account_from_address: [networkOf(address), account],
  }
  return new Uint8Array(hash('sha256', JSON.stringify([bound, ...parts[bound]]), 'buffer'))
}

/** An IPv4 address, or the /64 of an IPv6 one: a single machine has all of that. */
function networkOf(address: string): string {
  // A balancer may name something else in X-Forwarded-For.
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return ipaddr.fromByteArray([...parsed.toByteArray().slice(0, 8), ...Array<number>(8).fill(0)]).toString()
}
