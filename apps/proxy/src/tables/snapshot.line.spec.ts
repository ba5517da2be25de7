import type { ConfigItem, KeyConfig } from '@apigate/core'
import { aKey } from '@apigate/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigState } from './config.state.ts'
import { digestWords } from './digest.words.ts'
import type { IdWords } from './id.words.ts'
import { KeyLine, UserLine } from './snapshot.line.ts'

const sealer = { open: () => '' }
const owners = ['usr_0123456789abcdefghjkmnpqrs', 'usr_b', `usr_${'long'.repeat(10)}`]

/** In the attributes' order, and the line in the middle of others, as the control plane writes it. */
function load(items: readonly ConfigItem[], write = (item: ConfigItem) => JSON.stringify(item)) {
  const state = new ConfigState('e', new Map(), sealer)
  let byLine = 0
  for (const item of items) {
    const line = write(item)
    const bytes = Buffer.from(`before\n${line}\nbehind`)
    const end = state.applyLine(bytes, 7)
    expect([-1, bytes.length - 7]).toContain(end)
    if (end !== -1) byLine += 1
    else state.apply(JSON.parse(line) as ConfigItem)
  }
  return { state, byLine, ...state.tables(1) }
}

const users: ConfigItem[] = owners.map((id, index) => ({
  kind: 'user',
  op: 'put',
  value: { id, status: index === 1 ? 'suspended' : 'active', planId: `plan_${index}` },
}))
const put = (value: KeyConfig): ConfigItem => ({ kind: 'key', op: 'put', value })

const key = fc
  .record({
    owner: fc.constantFrom(...owners, null),
    isGroup: fc.boolean(),
    scopes: fc.constantFrom<string[]>([], [], ['admin:read']),
    expiresAtMs: fc.option(fc.integer({ min: 0, max: 4e12 })),
    revokedAtMs: fc.option(fc.integer({ min: 0, max: 4e12 })),
    name: fc.constantFrom('a', 'b', '"quoted"', 'x'.repeat(40)),
  })
  .map(({ owner, isGroup, scopes, expiresAtMs, revokedAtMs, name }) => {
    const { config } = aKey({ scopes, expiresAtMs, revokedAtMs })
    return { ...config, id: `${config.id}${name}`, userId: isGroup ? null : owner, groupId: isGroup ? owner : null }
  })

test('a line that is read from its bytes says what the parsed item says', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 20 }), (keys) => {
      const items = [...users, ...keys.map(put)]
      const [read, parsed] = [load(items), load(items, (item) => ` ${JSON.stringify(item)}`)]
      expect(parsed.byLine).toBe(0)
      expect(read.state.problem).toBe(parsed.state.problem)
      expect(read.keys.size).toBe(parsed.keys.size)
      for (const { id } of keys) {
        const [a, b] = [read.keys.findId(id), parsed.keys.findId(id)]
        expect(a === -1).toBe(b === -1)
        if (a === -1) continue
        expect(read.keys.digestOf(a)).toBe(parsed.keys.digestOf(b))
        expect(read.owners.at(read.keys.ownerOf(a))).toEqual(parsed.owners.at(parsed.keys.ownerOf(b)))
        expect(read.keys.isScoped(a)).toBe(parsed.keys.isScoped(b))
        for (const nowMs of [0, 1e12, 5e12]) expect(read.keys.ended(a, nowMs)).toBe(parsed.keys.ended(b, nowMs))
      }
    }),
  )
})

test('a line that goes on in another chunk is not read, wherever it is cut', () => {
  const state = new ConfigState('e', new Map(), sealer)
  for (const user of users) state.apply(user)
  const line = Buffer.from(`${JSON.stringify(put({ ...aKey().config, userId: 'usr_b', groupId: null }))}\n`)
  for (let end = 0; end < line.length; end++) expect(state.applyLine(line.subarray(0, end), 0)).toBe(-1)
  expect(state.applyLine(line, 0)).toBe(line.length - 1)
})

test('customers’ keys and users with ids like our own are read from the bytes, as they are written', () => {
  const keys = Array.from({ length: 5 }, () => put({ ...aKey().config, userId: owners[0]!, groupId: null }))
  expect(load([...users.slice(0, 2), ...keys]).byLine).toBe(7)
})

test.each([
  ['a repeated key', (line: string) => line],
  ['a digest with a character that base64 has not', (line: string) => line.replace(/("digest":"..)./, '$1!')],
  ['a digest that is too short', (line: string) => line.replace(/("digest":").../, '$1')],
  ['an owner that there is not', (line: string) => line.replace('usr_b', 'usr_none')],
  ['two owners', (line: string) => line.replace('"groupId":null', '"groupId":"usr_b"')],
  ['something behind it', (line: string) => `${line} `],
  ['a line that is cut off', (line: string) => line.slice(0, -1)],
  ['a time that is none', (line: string) => line.replace('"expiresAtMs":null', '"expiresAtMs":1.5')],
  [
    'a time beyond what a number holds',
    (line: string) => line.replace('"expiresAtMs":null', '"expiresAtMs":12345678901234567890'),
  ],
])('%s is left to the parser', (_name, change) => {
  const item = put({ ...aKey().config, userId: 'usr_b', groupId: null })
  const { state } = load([...users, ...(_name === 'a repeated key' ? [item] : [])])
  const bytes = Buffer.from(`${change(JSON.stringify(item))}\n`)
  expect(state.applyLine(bytes, 0)).toBe(-1)
})

const odd = [
  '0',
  '00',
  '9',
  '-',
  '.5',
  'e3',
  ' ',
  '"',
  '\\',
  '\\u0041',
  '\u00e9',
  '\u007f',
  '\t',
  'null',
  '[]',
  ',',
  '"x":1,',
  '}',
  '=',
]

const [keyLine, userLine] = [new KeyLine(), new UserLine()]

const idOf = ({ words, length }: IdWords): string => Buffer.from(words.buffer).toString('latin1', 0, length)
const keptOf = (digest: Uint32Array): string => Buffer.from(digest.buffer, 0, digestWords * 4).toString('hex')

/** What is read from the bytes; null for what is left to the parser. */
function readFrom(line: string): object | null {
  const bytes = Buffer.from(`${line}\n`)
  if (keyLine.read(bytes, 0)) {
    const { id, hasOwner, expiresAtMs, revokedAtMs } = keyLine
    const owner = hasOwner ? idOf(keyLine.owner) : ''
    return { kind: 'key', id: idOf(id), digest: keptOf(keyLine.digest), owner, scopes: [], expiresAtMs, revokedAtMs }
  }
  if (!userLine.read(bytes, 0)) return null
  const { id, status, planId } = userLine
  return { kind: 'user', id: idOf(id), status, planId }
}

/** The same of what the parser says; with whatever else it says. */
function parsedFrom(line: string): object {
  const { kind, op: _op, value, ...more } = JSON.parse(line) as { kind: string; op: 'put'; value: KeyConfig }
  if (kind === 'user') return { kind, ...value, ...more }
  const { prefix: _prefix, digest, userId, groupId, ...others } = value
  const owner = userId === null || groupId === null ? (userId ?? groupId ?? '') : [userId, groupId]
  const bytes = Buffer.from(digest, 'base64')
  expect(bytes.length).toBe(32)
  return { kind, digest: bytes.toString('hex', 0, digestWords * 4), owner, ...others, ...more }
}

test('of a line with something odd in it, only what JSON says is read from the bytes, or nothing', () => {
  const change = fc.tuple(fc.nat(), fc.constantFrom('', '', ...odd), fc.nat(2))
  const items = fc.oneof(key.map(put), fc.constantFrom(...users))
  fc.assert(
    fc.property(items, fc.array(change, { maxLength: 2 }), (item, changes) => {
      let line = JSON.stringify(item)
      for (const [which, text, removed] of changes) {
        // Where values and members begin and end.
        const places = [...line.matchAll(/(?<=[:,{["])|(?=[,}\]"])/g)]
        const at = places[which % places.length]!.index
        line = line.slice(0, at) + text + line.slice(at + removed)
      }
      const read = readFrom(line)
      expect(read).toEqual(read === null ? null : parsedFrom(line))
    }),
    { numRuns: 5_000 },
  )
})
