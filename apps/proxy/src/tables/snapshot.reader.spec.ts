import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { SnapshotPointer } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'
import { aPlan } from '@apigate/testing'
import { expect, test } from 'vitest'
import { checkSnapshot, readSnapshot, SnapshotError } from './snapshot.reader.ts'

const plans = Array.from({ length: 20 }, (): ConfigItem => ({ kind: 'plan', op: 'put', value: aPlan() }))
const header = { v: 1, epoch: 'e', revision: 3, atMs: 0, items: plans.length }
const packed = (lines: object[]): Buffer => gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
const inMembers = Buffer.concat([packed([header]), packed(plans.slice(0, 7)), packed(plans.slice(7))])

function pointerOf(body: Uint8Array): SnapshotPointer {
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { v: 1, epoch: 'e', revision: 3, sha256, bytes: body.length, atMs: 0 }
}

async function* inPieces(body: Uint8Array, bytes: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < body.length; at += bytes) yield await Promise.resolve(body.subarray(at, at + bytes))
}

async function read(body: Uint8Array, bytes: number): Promise<ConfigItem[]> {
  const items: ConfigItem[] = []
  const sink = { expect() {}, applyLine: () => -1, apply: (item: ConfigItem) => void items.push(item) }
  await readSnapshot(pointerOf(body), inPieces(body, bytes), sink)
  return items
}

test.each([1, 2, 3, 100, 1_000_000])(
  'a body of many gzip members is read whole in pieces of %i bytes',
  async (bytes) => {
    expect(await read(inMembers, bytes)).toEqual(plans)
    await checkSnapshot(pointerOf(inMembers), inPieces(inMembers, bytes))
  },
)

test('a large body is read whole, with lines that go over many chunks', async () => {
  const lines = Array.from({ length: 30_000 }, (_, n): ConfigItem => {
    const [id, noise] = [`plan_${n}`, randomBytes(64).toString('base64')]
    return { kind: 'plan', op: 'put', value: aPlan({ id, name: n === 15_000 ? 'x'.repeat(2_000_000) : noise }) }
  })
  const body = Buffer.concat([
    packed([{ ...header, items: lines.length }]),
    packed(lines.slice(0, 100)),
    packed(lines.slice(100)),
  ])
  // Handed on in pieces of a megabyte, whose ends are anywhere in a member.
  expect(body.length).toBeGreaterThan(2 << 20)
  expect(await read(body, 100_000)).toEqual(lines)
})

test('a body that ends between two members is torn', async () => {
  const torn = Buffer.concat([packed([header]), packed(plans.slice(0, 7))])
  await expect(read(torn, 100)).rejects.toThrow(/torn: 7 items of 20/)
})

test.each([
  ['of an unknown version', packed([{ ...header, v: 2 }]), /version 2/],
  ['of another revision', packed([{ ...header, revision: 4 }]), /another revision/],
  ['that is nothing packed', Buffer.from('nothing'), /not usable/],
  ['that is empty', Buffer.alloc(0), /no header/],
])('a copy is not made of a body %s', async (_what, body, message) => {
  const checked = checkSnapshot(pointerOf(body), inPieces(body, 10))
  await expect(checked).rejects.toThrow(SnapshotError)
  await expect(checked).rejects.toThrow(message)
})

test('a copy is not made of a body that is not the one that the pointer names', async () => {
  const other = Buffer.concat([inMembers, packed([])])
  await expect(checkSnapshot(pointerOf(inMembers), inPieces(other, 100))).rejects.toThrow(/not the body/)
})
