/** Every name on the wire, in one place. The version in a name changes when its payload does in a breaking way. */
export const subjects = {
  /** JetStream stream and subject of `change.v1`; the message id is `<epoch>:<revision>:<part>`. */
  changeStream: 'APIGATE_CONFIG',
  change: 'apigate.config.change.v1',
  /** KV bucket and key of the newest `snapshot.v1` pointer; the object store of the bodies (name = sha256). */
  snapshotBucket: 'apigate_config',
  snapshotPointerKey: 'snapshot.v1',
  snapshotStore: 'apigate_snapshots',
  /** `status.v1`, plain publish. */
  workerStatus: 'apigate.worker.status.v1',
  /** `usage-mark.v1`, plain publish. */
  usageMark: 'apigate.usage.mark.v1',
  /** `explain.v1`, request and reply; `.<worker>` follows. */
  explain: 'apigate.worker.explain.v1',
} as const

/** PostgreSQL NOTIFY channels. `configChange` also wakes the publisher; the others carry the bus of embedded mode. */
export const channels = {
  configChange: 'apigate_config_change',
  snapshot: 'apigate_snapshot',
  workerStatus: 'apigate_worker_status',
  usageMark: 'apigate_usage_mark',
  explain: 'apigate_explain',
  explanation: 'apigate_explanation',
} as const

/** BullMQ queues. */
export const queues = {
  /** `usage-batch.v2`; job id `<worker>_<epoch>_<first>`. */
  usage: 'apigate-usage-rows',
  /** `usage-batch.v1`, of older workers. A queue of its own: older ingest processes must not meet what they do not know. */
  usageV1: 'apigate-usage',
  /** `webhook-slice.v1`; job id `<first delivery>_<lease>`. */
  webhooks: 'apigate-webhook-slices',
} as const
