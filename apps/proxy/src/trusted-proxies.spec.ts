import { expect, test } from 'vitest'
import { plainAddress, TrustedProxies } from './trusted-proxies.ts'

const trusted = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8'])

test.each([
  ['nobody asked', '203.0.113.5', '', '203.0.113.5'],
  ['a stranger proves nothing', '203.0.113.5', '198.51.100.1', '203.0.113.5'],
  ['one proxy', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['two proxies', '10.0.0.1', '198.51.100.1, 192.0.2.1', '198.51.100.1'],
  ['what the client wrote itself is left of its address', '10.0.0.1', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
  ['nonsense ends the walk', '10.0.0.1', '1.1.1.1, unknown, 10.0.0.2', '10.0.0.2'],
  ['ports and brackets', 'fd00::1', '[2001:db8::1]:443', '2001:db8::1'],
])('%s', (_name, peer, forwardedFor, expected) => {
  expect(trusted.clientAddress(peer, forwardedFor)).toBe(expected)
})

test.each(['10.0.0.0/33', '10.0.0.0/', 'example.com', '10.0.0.0/8/9', ''])('refuses "%s"', (cidr) => {
  expect(() => new TrustedProxies([cidr])).toThrow(/neither an address nor a CIDR/)
})

test('an IPv4 address that comes as IPv6 is itself', () => {
  expect(plainAddress('::ffff:10.0.0.1')).toBe('10.0.0.1')
  expect(plainAddress('1.2.3.4:5')).toBe('1.2.3.4')
  expect(plainAddress('x')).toBeNull()
})
