import type { SnapshotPointer } from '@apigate/contracts'
import type { JetStreamManager } from '@nats-io/jetstream'
import { isStreamNotFound } from './stream.follower.ts'

/**
 * The sequence number of the last change that the older of two snapshots already holds, 0 for none. Found by bisection
 * over the message ids (`<epoch>:<revision>:<part>`), which grow with the sequence: about ten look-ups for a thousand
 * changes, and no bookkeeping that could be lost with a publisher.
 */
export async function lastBehind(
  manager: JetStreamManager,
  stream: string,
  older: SnapshotPointer,
  newest: SnapshotPointer,
): Promise<number> {
  let state
  try {
    ;({ state } = await manager.streams.info(stream))
  } catch (error) {
    if (isStreamNotFound(error)) return 0
    throw error
  }
  if (state.messages === 0) return 0
  let low = state.first_seq - 1
  let high = state.last_seq
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const message = await manager.direct.getMessage(stream, { seq: middle })
    if (isBehind(message?.header.get('Nats-Msg-Id') ?? '', older, newest)) low = middle
    else high = middle - 1
  }
  return low >= state.first_seq ? low : 0
}

/** Epochs that neither snapshot belongs to came before both. What is no change of ours says nothing of where it stands. */
function isBehind(messageId: string, older: SnapshotPointer, newest: SnapshotPointer): boolean {
  const [epoch, revision] = messageId.split(':')
  if (revision === undefined) return false
  if (epoch === older.epoch) return Number(revision) <= older.revision
  return epoch !== newest.epoch
}
