import { usageRow, type UsageBatch, type UsageBatchV1, type UsageEvent } from '@apigate/contracts'
import { RefusedBatchError } from '@apigate/platform'

/**
 * A batch of an older worker as one of today.
 *
 * @throws RefusedBatchError when its text is not one object for each number, in order, with the ids of its epoch.
 */
export function rowsOfV1({ worker, epoch, first, last, events: text }: UsageBatchV1): UsageBatch {
  const refused = new RefusedBatchError(`usage batch ${worker}_${epoch}_${first} is not the events ${first} to ${last}`)
  let events: unknown
  try {
    events = JSON.parse(text)
  } catch {
    throw refused
  }
  if (!Array.isArray(events) || events.length !== last - first + 1) throw refused
  const rows = events.map((event: UsageEvent | null, n) => {
    const seq = first + n
    if (event?.seq !== seq || event.id !== `evt_${worker}_${epoch}_${seq}`) throw refused
    return usageRow(seq, event)
  })
  return { v: 2, worker, epoch, first, last, rows: rows.join('\n') }
}
