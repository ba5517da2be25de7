import { snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import type { Logger } from '../../logger.ts'
import { parseMessage } from '../message.check.ts'
import type { NatsNames } from './nats.names.ts'
import { isStreamNotFound } from './stream.follower.ts'

/**
 * Messages kept of the pointer. Two, because nats-server 2.9 may not find the last message of a subject while its only one
 * is being replaced.
 */
export const pointerHistory = 2

/**
 * The last message of a subject, or null when there is none, or no stream. By DIRECT.GET, for which the stream must have
 * `allow_direct`: nats-server 2.9.10 crashes when the other call, STREAM.MSG.GET, meets the case above. A stream that is
 * not there does not answer a direct call at all, so that is asked first.
 */
export async function lastMessage(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<StoredMsg | null> {
  try {
    const { state } = await manager.streams.info(stream)
    if (state.messages === 0) return null
  } catch (error) {
    if (isStreamNotFound(error)) return null
    throw error
  }
  return manager.direct.getMessage(stream, { last_by_subj: subject })
}

export interface StoredPointer {
  /** Null when the message is not readable; that counts as none, so that the publisher makes a new one. */
  pointer: SnapshotPointer | null
  /** The bucket's revision of it, for compare and set; 0 = there is none. */
  seq: number
}

/** What the bucket holds. */
export async function readPointer(manager: JetStreamManager, names: NatsNames, log: Logger): Promise<StoredPointer> {
  const message = await lastMessage(manager, names.pointerStream, names.pointerSubject)
  if (message === null) return { pointer: null, seq: 0 }
  return { pointer: parseMessage(snapshotPointerSchema, message.string(), names.pointerStream, log), seq: message.seq }
}
