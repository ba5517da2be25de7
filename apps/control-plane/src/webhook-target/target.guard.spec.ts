import { describe, expect, test } from 'vitest'
import { RefusedTargetError, TargetGuard, type Resolve } from './target.guard.ts'

/** A DNS of our own: what is not in it does not exist. */
function dns(names: Record<string, string[]>): Resolve {
  return async (hostname) => {
    const addresses = names[hostname]
    if (!addresses) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' })
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
}

const notPublic = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.255.254'],
  ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.8', '192.0.2.1', '192.88.99.1', '192.168.0.1'],
  ...['198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.7', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
  ...['255.255.255.255', '::', '::1', '::7f00:1', '::127.0.0.1', '::8.8.8.8', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
  ...['fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '2001:db8::1', '3fff::1', '2001:2::1', '2001:10::1'],
  ...['2001::7f00:1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2002:7f00:1::', '2002:808:808::1', '100::1', '5f00::1'],
  ...['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1'],
  ...['64:ff9b::a00:1', '64:ff9b:1::808:808', '4000::1'],
]
const isPublic = [
  ...[
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
  ],
  ...['192.0.1.1', '192.167.255.255', '198.17.255.255', '198.20.0.0', '223.255.255.255', '2606:4700::1111'],
  ...['2001:4860:4860::8888', '2a00:1450:4001::1', '::ffff:8.8.8.8', '64:ff9b::808:808'],
]

describe('an address', () => {
  test.each(notPublic)('%s is refused, as the answer of a name and in the URL itself', async (address) => {
    const guard = new TargetGuard([], dns({ 'hook.example': [address] }))
    await expect(guard.addressesOf('https://hook.example/')).rejects.toThrow(`is ${address}, is not a public address`)
    if (address.includes('%')) return
    const host = address.includes(':') ? `[${address}]` : address
    await expect(guard.addressesOf(`https://${host}/`)).rejects.toThrow('is not a public address')
  })

  test.each(isPublic)('%s passes', async (address) => {
    const guard = new TargetGuard([], dns({ 'hook.example': [address] }))
    const family = address.includes(':') ? 6 : 4
    expect(await guard.addressesOf('https://hook.example/')).toEqual([{ address, family }])
    const host = family === 6 ? `[${address}]` : address
    expect(await guard.addressesOf(`https://${host}/`)).toHaveLength(1)
  })

  test.each([
    ...[
      '2130706433',
      '0x7f000001',
      '017700000001',
      '127.1',
      '127.0.1',
      '0x7f.1',
      '0177.0.0.1',
      '127.0.0.1.',
      '0',
      '①②⑦.0.0.1',
    ],
    ...[
      '[::ffff:7f00:1]',
      '[0:0:0:0:0:ffff:127.0.0.1]',
      '[0000::1]',
      '%31%32%37.0.0.1',
      '10.1',
      '0xa9fea9fe',
      '3232235521',
    ],
  ])('spelled %s is refused', async (host) => {
    await expect(new TargetGuard([], dns({})).addressesOf(`https://${host}/`)).rejects.toThrow(
      'is not a public address',
    )
  })
})

describe('a name', () => {
  const guard = new TargetGuard(
    [],
    dns({
      'two.example': ['93.184.216.34', '2606:2800:220:1::1'],
      'half.example': ['93.184.216.34', '10.0.0.1'],
      localhost: ['::1', '127.0.0.1'],
      'empty.example': [],
    }),
  )

  test('passes with all its addresses, which are those to dial', async () => {
    expect(await guard.addressesOf('https://two.example:8443/hook?x=1')).toEqual([
      { address: '93.184.216.34', family: 4 },
      { address: '2606:2800:220:1::1', family: 6 },
    ])
  })

  test.each(['half.example', 'localhost', 'LOCALHOST', 'empty.example'])('%s is refused', async (name) => {
    await expect(guard.addressesOf(`https://${name}/`)).rejects.toThrow(RefusedTargetError)
  })

  test('that is not there is no refusal: it may come', async () => {
    await expect(guard.addressesOf('https://later.example/')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })
})

test.each([
  ['http://two.example/', 'https://'],
  ['ftp://two.example/', 'https://'],
  ['file:///etc/passwd', 'https://'],
  ['https:two.example', 'https://'],
  ['https://', 'https://'],
  ['https://two.example\\@127.0.0.1/', 'https://'],
  ['https://user:pass@two.example/', 'credentials'],
  ['https://user@two.example/', 'credentials'],
  ['https://two.example/#part', 'fragment'],
])('%s is refused', async (url, detail) => {
  const guard = new TargetGuard([], dns({ 'two.example': ['93.184.216.34'] }))
  await expect(guard.addressesOf(url)).rejects.toThrow(detail)
})

describe('what is allowed by setting', () => {
  const guard = new TargetGuard(
    ['127.0.0.0/8', '::1', '10.1.0.0/16'],
    dns({ localhost: ['::1', '127.0.0.1'], 'mixed.example': ['127.0.0.1', '10.2.0.1'], 'public.example': ['1.1.1.1'] }),
  )

  test.each(['http://localhost:3000/', 'http://127.0.0.1/', 'https://10.1.2.3/', 'http://[::ffff:127.0.0.1]/'])(
    '%s passes, also without TLS',
    async (url) => {
      expect((await guard.addressesOf(url)).length).toBeGreaterThan(0)
    },
  )

  test.each(['http://mixed.example/', 'https://10.2.0.1/', 'http://public.example/'])('%s does not', async (url) => {
    await expect(guard.addressesOf(url)).rejects.toThrow(RefusedTargetError)
  })
})
