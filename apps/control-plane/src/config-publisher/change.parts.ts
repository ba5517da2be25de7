import type { ChangeMessage } from '@apigate/contracts'
import type { ConfigItem } from '@apigate/core'

/** NATS takes messages up to 1 MiB by default; the envelope and headers are well below the difference. */
const partBytesMax = 900 * 1024

/**
 * A change as messages that each fit: its items in order, as many to a part as go in. One item is never split; the API's
 * body limit keeps it below the bound.
 */
export function changeParts(
  change: Omit<ChangeMessage, 'v' | 'part' | 'parts'>,
  bytesMax = partBytesMax,
): ChangeMessage[] {
  const slices: ConfigItem[][] = [[]]
  let bytes = 0
  for (const item of change.items) {
    const itemBytes = Buffer.byteLength(JSON.stringify(item)) + 1
    if (bytes > 0 && bytes + itemBytes > bytesMax) {
      slices.push([])
      bytes = 0
    }
    slices.at(-1)?.push(item)
    bytes += itemBytes
  }
  return slices.map((items, part) => ({ ...change, v: 1, part, parts: slices.length, items }))
}
