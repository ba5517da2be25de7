import { snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import type { Logger } from '../../logger.ts'
import { parseMessage } from '../message.check.ts'
import type { NatsNames } from './nats.names.ts'
import { isStreamNotFound } from './stream.follower.ts'

/** The last message of a subject, or null when there is none, or no stream. */
export async function lastMessage(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<StoredMsg | null> {
  try {
    return await manager.streams.getMessage(stream, { last_by_subj: subject })
  } catch (error) {
    if (isStreamNotFound(error)) return null
    throw error
  }
}

/** The pointer that the bucket holds; an unreadable one counts as none, so that the publisher makes a new one. */
export async function readPointer(
  manager: JetStreamManager,
  names: NatsNames,
  log: Logger,
): Promise<SnapshotPointer | null> {
  const message = await lastMessage(manager, names.pointerStream, names.pointerSubject)
  if (message === null || message.data.length === 0) return null
  return parseMessage(snapshotPointerSchema, message.string(), names.pointerStream, log)
}
