import type { LookupAddress } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { OutOfReachError, parseReach, Reach, type LookUpAll } from './reach.ts'

/** A DNS of our own: what is not in it does not exist. */
const names: Record<string, string[]> = {
  'public.example': ['93.184.216.34', '2606:2800:220:1::1'],
  'half.example': ['93.184.216.34', '10.0.0.1'],
  'inside.example': ['10.1.2.3'],
  'translated.example': ['64:ff9b::a01:203'],
  'empty.example': [],
}
let lookUps = 0
const lookUp: LookUpAll = (hostname, callback) => {
  lookUps += 1
  const addresses = names[hostname]
  if (!addresses)
    return callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), [])
  return callback(
    null,
    addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
  )
}
const dial = (reach: Reach, hostname: string, all: boolean): Promise<unknown> =>
  new Promise((resolve, reject) =>
    reach.lookup(hostname, { all }, (error, address, family) => (error ? reject(error) : resolve([address, family]))),
  )

describe('with "public" and a network of our own', () => {
  const reach = new Reach(['public', '10.1.0.0/16'], lookUp)

  test.each([
    'http://public.example/',
    'https://1.1.1.1/',
    'http://inside.example:8080/a',
    'http://10.1.255.255/',
    'http://translated.example/',
  ])('%s is within', async (url) => {
    await expect(reach.check(new URL(url))).resolves.toBeUndefined()
  })

  test.each([
    ...[
      'http://half.example/',
      'http://10.2.0.1/',
      'http://127.0.0.1/',
      'http://2130706433/',
      'http://0x7f.1/',
      'http://0177.0.0.1/',
    ],
    ...[
      'http://127.1/',
      'http://0/',
      'http://[::1]/',
      'http://[::ffff:127.0.0.1]/',
      'http://[2002:7f00:1::]/',
      'http://[64:ff9b::7f00:1]/',
    ],
    ...['http://169.254.169.254/latest/meta-data', 'http://[fd00:ec2::254]/', 'http://[fe80::1]/'],
  ])('%s is not', async (url) => {
    await expect(reach.check(new URL(url))).rejects.toThrow(OutOfReachError)
  })

  test('a name is dialled where it was looked at, and not where one of its addresses is wrong', async () => {
    lookUps = 0
    expect(await dial(reach, 'public.example', false)).toEqual(['93.184.216.34', 4])
    expect(await dial(reach, 'public.example', true)).toMatchObject([[{ family: 4 }, { family: 6 }], undefined])
    expect(lookUps).toBe(2)
    await expect(dial(reach, 'half.example', true)).rejects.toThrow('half.example, which is 10.0.0.1, is not where')
    await expect(dial(reach, 'empty.example', false)).rejects.toThrow('has no address')
  })

  test('a name that is not there is the error of the look-up', async () => {
    await expect(dial(reach, 'none.example', true)).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(reach.check(new URL('http://none.example/'))).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })
})

test('without "public" only what is named is within', () => {
  const reach = parseReach('10.1.0.0/16, ::1')
  expect(['10.1.2.3', '::1', '1.1.1.1', '10.2.0.1'].map((address) => reach.permits(address))).toEqual([
    ...[true, true, false, false],
  ])
})

test.each(['', 'private', '10.0.0.0/33', 'public,', 'example.com'])('"%s" is no such list', (text) => {
  expect(() => parseReach(text)).toThrow('must be addresses or CIDRs')
})
