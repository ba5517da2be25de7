import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Which addresses belong to somebody on the public internet, after the IANA registries of special-purpose addresses
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, …-ipv6-special-registry). Of IPv6 only what is assigned as
 * global unicast counts, less its special parts, so that a range that is set aside in future is refused today.
 */

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]
const ranges = (...cidrs: string[]): Range[] => cidrs.map((cidr) => ipaddr.parseCIDR(cidr))

/** This network, private, carrier-grade NAT, loopback, link-local, protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast. */
const specialV4 = ranges(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
)
const globalV6 = ranges('2000::/3')
/** Protocol assignments (Teredo, benchmarks, ORCHID …), documentation, 6to4. */
const specialV6 = ranges('2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16')
/** RFC 6052: an IPv4 address behind a translator, as DNS64 makes it of a public one. */
const nat64 = ranges('64:ff9b::/96')

/** A list of addresses and CIDRs, as a function that says whether an address is in it. */
export function addressList(cidrs: readonly string[]): (address: string) => boolean {
  const list = ranges(...cidrs.map((cidr) => (cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`)))
  return (address) => isIn(plain(address), list)
}

export function isPublicAddress(address: string): boolean {
  const ip = plain(address)
  return ip.kind() === 'ipv4' ? !isIn(ip, specialV4) : isIn(ip, globalV6) && !isIn(ip, specialV6)
}

/** The IPv4 address where it is one in IPv6 clothes. */
function plain(address: string): ipaddr.IPv4 | ipaddr.IPv6 {
  // The library takes ::8.8.8.8, which goes nowhere, for ::ffff:8.8.8.8; but not ::0:8.8.8.8, which is the same.
  const ip = ipaddr.process(address.replace(/^::(?=\d+\.)/, '::0:'))
  return isIn(ip, nat64) ? new ipaddr.IPv4(ip.toByteArray().slice(-4)) : ip
}

function isIn(ip: ipaddr.IPv4 | ipaddr.IPv6, list: readonly Range[]): boolean {
  return list.some(([network, bits]) => network.kind() === ip.kind() && ip.match(network, bits))
}

/**
 * Addresses and CIDRs with commas between.
 *
 * @throws Error naming the first that is none.
 */
export function parseCidrs(text: string): string[] {
  const cidrs = text.split(',').map((part) => part.trim())
  const bad = cidrs.find((cidr) => {
    const [address = '', bits = '0', ...rest] = cidr.split('/')
    const family = isIP(address)
    return family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)
  })
  if (bad !== undefined) throw new Error(`must be addresses or CIDRs with commas between, not "${bad}"`)
  return cidrs
}
