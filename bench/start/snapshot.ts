import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { ConfigItem } from '@apigate/core'
import type { ConfigFeedWriter } from '@apigate/platform'
import { configurationTables } from '../configuration.items.ts'

type SnapshotPointer = Parameters<ConfigFeedWriter['putSnapshot']>[0]

/** As the publisher packs them. */
const chunkItems = 256
const epoch = 'bench'
const revision = 1

/** A snapshot of so many keys, of half as many users, and routes, as the publisher would make it. */
export function packSnapshot(keys: number, routes: number): { pointer: SnapshotPointer; body: Uint8Array } {
  const users = Math.ceil(keys / 2)
  const packed: Buffer[] = [pack([{ v: 1, epoch, revision, atMs: 0, items: 2 + users + routes + keys }])]
  for (const table of configurationTables({ routes, keys })) {
    let lines: ConfigItem[] = []
    for (const item of table) {
      if (lines.push(item) < chunkItems) continue
      packed.push(pack(lines))
      lines = []
    }
    if (lines.length > 0) packed.push(pack(lines))
  }
  const body = Buffer.concat(packed)
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { pointer: { v: 1, epoch, revision, sha256, bytes: body.length, atMs: 0 }, body }
}

function pack(lines: object[]): Buffer {
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { level: 1 })
}
