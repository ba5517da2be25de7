import { subjects } from '@apigate/contracts'

/** The names of `contracts` within a namespace, and the ones that NATS derives from them (ADR-8 of KV). */
export interface NatsNames {
  changeStream: string
  change: string
  pointerBucket: string
  pointerKey: string
  pointerStream: string
  pointerSubject: string
  snapshotStore: string
  workerStatus: string
  usageMark: string
  /** The worker's name follows, as a token. */
  explain: string
}

export function natsNames(namespace = ''): NatsNames {
  const prefix = namespace === '' ? '' : `${namespace}_`
  const pointerBucket = prefix + subjects.snapshotBucket
  return {
    changeStream: prefix + subjects.changeStream,
    change: prefix + subjects.change,
    pointerBucket,
    pointerKey: subjects.snapshotPointerKey,
    pointerStream: `KV_${pointerBucket}`,
    pointerSubject: `$KV.${pointerBucket}.${subjects.snapshotPointerKey}`,
    snapshotStore: prefix + subjects.snapshotStore,
    workerStatus: prefix + subjects.workerStatus,
    usageMark: prefix + subjects.usageMark,
    explain: prefix + subjects.explain,
  }
}
