import { createHash } from 'node:crypto'
import { keyState } from '@apigate/core'
import { aKey } from '@apigate/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyTable, noOwner } from './key.table.ts'

const nowMs = 1_000_000

test('finds a key by what the client presents, and what it says of it', () => {
  const table = new KeyTable()
  const good = aKey()
  const scoped = aKey({ scopes: ['admin:read'] })
  table.put(good.config, 7)
  table.put(scoped.config, noOwner)

  const slot = table.find(good.clear)
  expect(table.idOf(slot)).toBe(good.config.id)
  expect(table.ownerOf(slot)).toBe(7)
  expect(table.isScoped(slot)).toBe(false)
  expect(table.ended(slot, nowMs)).toBeNull()
  expect(table.isScoped(table.find(scoped.clear))).toBe(true)
  expect(table.find(aKey().clear)).toBe(-1)
})

test('a revocation is seen at once by a key that is in the cache of recent ones, and so is a deletion', () => {
  const table = new KeyTable()
  const { config, clear } = aKey()
  table.put(config, 0)
  expect(table.ended(table.find(clear), nowMs)).toBeNull()
  table.put({ ...config, revokedAtMs: nowMs }, 0)
  expect(table.ended(table.find(clear), nowMs)).toBe('key_revoked')

  table.delete(config.id)
  const next = aKey()
  table.put(next.config, 1)
  expect(table.find(clear)).toBe(-1)
  expect(table.idOf(table.find(next.clear))).toBe(next.config.id)
})

test('says why a key is refused as keyState of core does', () => {
  const table = new KeyTable()
  for (const expiresAtMs of [null, nowMs - 1, nowMs, nowMs + 1]) {
    for (const revokedAtMs of [null, nowMs - 1, nowMs + 1]) {
      const { config, clear } = aKey({ expiresAtMs, revokedAtMs })
      table.put(config, 0)
      const state = keyState(config, nowMs)
      expect(table.ended(table.find(clear), nowMs)).toBe(state === 'active' ? null : `key_${state}`)
    }
  }
})

test('refuses what it cannot store, and stays as it was', () => {
  const table = new KeyTable()
  const { config, clear } = aKey()
  table.put(config, 0)
  expect(() => table.put(aKey({ digest: 'c2hvcnQ=' }).config, 0)).toThrow(/32 bytes/)
  expect(() => table.put(aKey({ digest: config.digest }).config, 0)).toThrow(/another key/)
  expect(() => table.put(aKey({ id: `key_${'x'.repeat(300)}` }).config, 0)).toThrow(/id is not usable/)
  expect(table.size).toBe(1)
  expect(table.idOf(table.find(clear))).toBe(config.id)
})

/** 48 digests of which many share their first word, or their first 64 bits: what an index must tell apart. */
const digests = Array.from({ length: 48 }, (_, i) => {
  const bytes = createHash('sha256').update(String(i)).digest()
  if (i % 2 === 0) bytes.write('sameword', 0, i % 4 === 0 ? 8 : 4, 'latin1')
  return bytes
})

const commands = fc.array(
  fc.record({
    op: fc.constantFrom('put', 'put', 'put', 'revoke', 'delete'),
    id: fc.integer({ min: 0, max: 30 }),
    digest: fc.integer({ min: 0, max: digests.length - 1 }),
  }),
  { maxLength: 400 },
)

test('behaves like a map under any sequence of puts, revocations and deletions, through growth and reuse', () => {
  fc.assert(
    fc.property(commands, (steps) => {
      const table = new KeyTable()
      const model = new Map<string, { digest: number; revoked: boolean }>()
      for (const { op, id: number, digest } of steps) {
        const id = `key_${'x'.repeat(number)}${number}`
        const known = model.get(id)
        const next = { digest: op === 'revoke' && known ? known.digest : digest, revoked: op === 'revoke' }
        const isTaken = [...model].some(([other, entry]) => other !== id && entry.digest === next.digest)
        const config = aKey({ id, digest: digests[next.digest]!.toString('base64') }).config

        const outcome = attempt(() =>
          op === 'delete' ? table.delete(id) : table.put({ ...config, revokedAtMs: next.revoked ? 0 : null }, number),
        )
        if (op === 'delete') model.delete(id)
        else if (!isTaken) model.set(id, next)
        const expected = op === 'delete' ? (known ? 'slot' : 'none') : isTaken ? 'error' : 'slot'
        expect(outcome).toBe(expected)
      }
      expect(table.size).toBe(model.size)
      for (const [id, { digest, revoked }] of model) {
        const slot = table.findId(id)
        expect(table.findDigest(digests[digest]!.toString('latin1'))).toBe(slot)
        expect(table.idOf(slot)).toBe(id)
        expect(table.digestOf(slot)).toBe(digests[digest]!.toString('latin1', 0, 16))
        expect(table.ended(slot, nowMs)).toBe(revoked ? 'key_revoked' : null)
      }
      const live = new Set([...model.values()].map((entry) => entry.digest))
      for (const [i, bytes] of digests.entries()) {
        expect(table.findDigest(bytes.toString('latin1')) !== -1).toBe(live.has(i))
      }
    }),
  )
})

function attempt(run: () => number): 'slot' | 'none' | 'error' {
  try {
    return run() === -1 ? 'none' : 'slot'
  } catch {
    return 'error'
  }
}

test('a hundred thousand keys that come and go leave it compact and complete', () => {
  const table = new KeyTable()
  const digest = (i: number) => createHash('sha256').update(`k${i}`).digest('base64')
  const config = aKey().config
  for (let i = 0; i < 100_000; i++) {
    table.put({ ...config, id: `key_${i}`, digest: digest(i) }, i)
    if (i >= 1_000) table.delete(`key_${i - 1_000}`)
  }
  expect(table.size).toBe(1_000)
  expect(table.used).toBeLessThan(3_000)
  for (let i = 99_000; i < 100_000; i++) expect(table.ownerOf(table.find(`k${i}`))).toBe(i)
  expect(table.find('k98999')).toBe(-1)
})

test('a key takes less than 96 bytes, in arrays that the garbage collector need not walk', () => {
  const keys = 250_000
  const table = new KeyTable()
  table.reserve(keys)
  const digest = Buffer.alloc(32)
  const config = { ...aKey().config }
  for (let n = 0; n < keys; n++) {
    digest.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 0)
    digest.writeUInt32LE(n, 4)
    table.put({ ...config, id: `key_${String(n).padStart(26, '0')}`, digest: digest.toString('base64') }, n)
  }
  expect(table.size).toBe(keys)
  expect(table.byteLength / keys).toBeLessThan(96)
})
