import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalizeTarget } from './request-target.ts'

const pathOf = (target: string): string | null => normalizeTarget(target)?.path ?? null

describe('normalizeTarget', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/%2e/b', '/a/b'],
    ['/a/.%2e/b', '/b'],
    ['/a//../b', '/a/b'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a/...', '/a/...'],
    ['/a/..b', '/a/..b'],
  ])('removes dot segments, percent-encoded ones too: %s', (target, path) => {
    expect(pathOf(target)).toBe(path)
  })

  it.each(['/..', '/../a', '/a/../..', '/%2e%2e/a', '/a/../../b'])('refuses to climb above the root: %s', (target) => {
    expect(normalizeTarget(target)).toBeNull()
  })

  it('decodes unreserved characters and upper-cases every other encoding', () => {
    expect(pathOf('/%7Euser/%41%2d%5f')).toBe('/~user/A-_')
    expect(pathOf('/a%3ab%21')).toBe('/a%3Ab%21')
  })

  it('keeps an encoded slash and backslash encoded, so that they separate nothing', () => {
    expect(pathOf('/a%2f..%2Fb/%5c')).toBe('/a%2F..%2Fb/%5C')
  })

  it('does not decode twice', () => {
    expect(pathOf('/%252e%252e/a')).toBe('/%252e%252e/a')
  })

  it('keeps empty segments', () => {
    expect(pathOf('//a///b/')).toBe('//a///b/')
  })

  it('percent-encodes raw bytes beyond ASCII and visible characters that no URI may hold', () => {
    expect(pathOf(Buffer.from('/café').toString('latin1'))).toBe('/caf%C3%A9')
    expect(pathOf('/a|b"<>[]^`{}')).toBe('/a%7Cb%22%3C%3E%5B%5D%5E%60%7B%7D')
  })

  it.each([
    '/a\0',
    '/a%00',
    '/a\x01b',
    '/a b',
    '/a\tb',
    '/a\x7f',
    '/a?b\0',
    '/a?b c',
    '/a\\b',
    '/\\evil',
    '/\u0100',
    '/?\u0100',
  ])('refuses controls, spaces, NUL in any form, raw backslashes and what is no byte: %j', (target) => {
    expect(normalizeTarget(target)).toBeNull()
  })

  it.each(['/%', '/%4', '/a%zz', '/%4g', '/%%41', '/a%2'])(
    'refuses a percent sign without two hex digits: %s',
    (target) => {
      expect(normalizeTarget(target)).toBeNull()
    },
  )

  it.each(['', '*', 'a/b', 'example.com:443', 'ftp://a/b', 'http:///a', '?a'])(
    'refuses %j, which is neither form',
    (target) => {
      expect(normalizeTarget(target)).toBeNull()
    },
  )

  it('leaves the query as it came, byte for byte', () => {
    expect(normalizeTarget('/a/../b?x=%2e%2e/../%zz&é?')).toEqual({
      path: '/b',
      query: '?x=%2e%2e/../%zz&é?',
      authority: null,
    })
    expect(normalizeTarget('/a?')).toEqual({ path: '/a', query: '?', authority: null })
  })

  it('drops a fragment', () => {
    expect(normalizeTarget('/a?b=1#c/../d')).toEqual({ path: '/a', query: '?b=1', authority: null })
    expect(normalizeTarget('/a#?b')).toEqual({ path: '/a', query: '', authority: null })
  })

  it('takes a target in absolute form apart (RFC 9112 §3.2.2)', () => {
    expect(normalizeTarget('http://a.example:81/x/../y?z')).toEqual({
      path: '/y',
      query: '?z',
      authority: 'a.example:81',
    })
    expect(normalizeTarget('HTTPS://a.example?z')).toEqual({ path: '/', query: '?z', authority: 'a.example' })
    expect(normalizeTarget('http://a.example')).toEqual({ path: '/', query: '', authority: 'a.example' })
  })

  const segment = fc.constantFrom(
    'a',
    'b',
    '',
    '.',
    '..',
    '%2e',
    '%2E.',
    '...',
    '%2F',
    '%41',
    '%c3%a9',
    'é',
    '%5c',
    ':',
    '@',
  )
  const target = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => `/${segments.join('/')}`)

  it('gives a path that is normal already: a second pass changes nothing', () => {
    fc.assert(
      fc.property(target, (raw) => {
        const path = pathOf(raw)
        fc.pre(path !== null)
        expect(pathOf(path)).toBe(path)
        expect(path).toMatch(/^\/[!-~]*$/)
        expect(path.split('/')).not.toContain('..')
        expect(path.split('/')).not.toContain('.')
      }),
    )
  })

  it('resolves dot segments as the WHATWG URL parser does', () => {
    const plain = fc.constantFrom('a', 'b', '', '.', '..', '%2e', '%2E%2e', '.%2E')
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 8 }), (segments) => {
        const raw = `/${segments.join('/')}`
        const path = pathOf(raw)
        fc.pre(path !== null)
        expect(path).toBe(new URL(`http://host${raw}`).pathname)
      }),
    )
  })
})
