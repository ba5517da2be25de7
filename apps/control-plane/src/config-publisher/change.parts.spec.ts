import type { ConfigItem } from '@apigate/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { changeParts } from './change.parts.ts'

const change = { epoch: 'e', revision: 7, atMs: 1 }

test('parts hold all items in order, are numbered, and fit when each item fits', () => {
  const itemOf = (id: string): ConfigItem => ({ kind: 'key', op: 'delete', id })
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 60, unit: 'grapheme' })),
      fc.integer({ min: 500, max: 2_000 }),
      (ids, max) => {
        const items = ids.map(itemOf)
        const parts = changeParts({ ...change, items }, max)
        expect(parts.flatMap((part) => part.items)).toEqual(items)
        expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index))
        for (const part of parts) {
          expect(part).toMatchObject({ v: 1, ...change, parts: parts.length })
          expect(Buffer.byteLength(JSON.stringify(part.items))).toBeLessThanOrEqual(max + 1)
        }
      },
    ),
  )
})

test('a change without items is one empty part', () => {
  expect(changeParts({ ...change, items: [] })).toEqual([{ v: 1, ...change, part: 0, parts: 1, items: [] }])
})
