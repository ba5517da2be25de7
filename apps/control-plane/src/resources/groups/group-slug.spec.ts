import { describe, expect, test } from 'vitest'
import { freeSlug, slugOf } from './group-slug.ts'

describe('a slug', () => {
  test.each([
    ['Acme Ltd.', 'acme-ltd'],
    ['  Çédille & Söhne  ', 'cedille-sohne'],
    ['a__b--c', 'a-b-c'],
    ['Number 5', 'number-5'],
    ['日本', 'group'],
    ['---', 'group'],
    ['ﬁ', 'fi'],
    ['x'.repeat(200), 'x'.repeat(92)],
    [`${'x'.repeat(91)} y`, 'x'.repeat(91)],
  ])('of %j is %s', (name, slug) => {
    expect(slugOf(name)).toBe(slug)
  })

  test('that is taken gets the first free number', () => {
    expect(freeSlug('a', new Set(['b', 'a-2']))).toBe('a')
    expect(freeSlug('a', new Set(['a']))).toBe('a-2')
    expect(freeSlug('a', new Set(['a', 'a-2', 'a-4']))).toBe('a-3')
  })
})
