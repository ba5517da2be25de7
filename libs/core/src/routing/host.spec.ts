import { describe, expect, it } from 'vitest'
import { normalizeHost } from './host.ts'

describe('normalizeHost', () => {
  it.each([
    ['example.com', 'example.com'],
    ['API.Example.COM', 'api.example.com'],
    ['example.com:8080', 'example.com'],
    ['example.com:', 'example.com'],
    ['example.com.', 'example.com'],
    ['Example.com.:443', 'example.com'],
    ['a_b-c.d', 'a_b-c.d'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]', '[::1]'],
    ['[FE80::1]:8080', '[fe80::1]'],
    ['[::ffff:1.2.3.4]', '[::ffff:1.2.3.4]'],
    ['0.0.0.0=5000', '0.0.0.0=5000'],
    ['', ''],
  ])('%s is compared as %s', (header, host) => {
    expect(normalizeHost(header)).toBe(host)
  })

  it.each([
    '.',
    ':80',
    'a:b',
    'a:80:80',
    'a b',
    'a/b',
    'user@a',
    'a\0.b',
    'a\\b',
    'é.com',
    '\u0131.com',
    'a%',
    'a%0',
    '[::1',
    '::1',
    '[::1]x',
    '[]',
    '[1]',
    '[::1%25eth0]',
    'a?b',
    'a#b',
  ])('refuses %j', (header) => {
    expect(normalizeHost(header)).toBeNull()
  })

  it.each(['[:', '[:1', '[::]:', 'a:', 'a.', '%a'])('two hundred thousand of %j hold nobody up', (part) => {
    // By a pattern that goes back and forth it would be minutes.
    for (const text of [part + part.slice(-1).repeat(200_000), part.repeat(200_000)]) {
      expect(normalizeHost(`${text}x]`)).toBeNull()
    }
  })
})
