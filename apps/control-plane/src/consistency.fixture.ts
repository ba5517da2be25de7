import { gunzipSync } from 'node:zlib'
import type { ConfigItem } from '@apigate/core'
import { expect } from 'vitest'
import { buildSnapshot } from './config-publisher/snapshot.builder.ts'
import type { Database } from './persistence/index.ts'

/** What a worker holds that applied every change from the first one on. */
async function folded({ prisma }: Database): Promise<Map<string, unknown>> {
  const held = new Map<string, unknown>()
  const changes = await prisma.configChange.findMany({ orderBy: { revision: 'asc' } })
  for (const item of changes.flatMap(({ items }) => items as unknown as ConfigItem[])) {
    if (item.op === 'put') held.set(`${item.kind} ${item.value.id}`, item.value)
    else held.delete(`${item.kind} ${item.id}`)
  }
  return held
}

/** What a worker holds that boots now. */
async function booted({ prisma }: Database): Promise<Map<string, unknown>> {
  const { body } = await buildSnapshot(prisma)
  const [, ...lines] = gunzipSync(body).toString().trimEnd().split('\n')
  const items = lines.map((line) => JSON.parse(line) as ConfigItem & { op: 'put' })
  return new Map(items.map(({ kind, value }) => [`${kind} ${value.id}`, value]))
}

/** Whatever was written, and whatever was refused: what the writes promise together. */
export async function expectConsistency(database: Database): Promise<void> {
  expect(await folded(database)).toEqual(await booted(database))
  const { prisma } = database
  const changes = await prisma.configChange.findMany({ orderBy: { revision: 'asc' }, select: { revision: true } })
  const { revision } = await prisma.configHead.findUniqueOrThrow({ where: { id: 1 } })
  const gapless = Array.from({ length: Number(revision) }, (_, index) => BigInt(index + 1))
  expect(changes.map((change) => change.revision)).toEqual(gapless)
  const audited = await prisma.auditEvent.groupBy({
    by: ['configRevision'],
    // A change that no worker needs to know of has none.
    where: { configRevision: { not: null } },
    orderBy: { configRevision: 'asc' },
  })
  expect(audited.map((row) => row.configRevision)).toEqual(gapless)
  expect(await prisma.plan.count({ where: { isDefault: true } })).toBe(1)
  const groups = await prisma.group.findMany({ include: { members: { where: { role: 'owner' } } } })
  for (const { id, ownerId, members } of groups) {
    expect([id, members.map(({ userId }) => userId)]).toEqual([id, [ownerId]])
  }
}
