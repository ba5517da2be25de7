import { defineResource } from '../jsonapi/index.ts'
import type { WorkerRow } from './fleet.ts'

export const workerResource = defineResource<WorkerRow>({
  type: 'workers',
  path: '/api/workers',
  idPrefix: '',
  attributes: {
    version: { kind: 'text' },
    ready: { kind: 'boolean' },
    draining: { kind: 'boolean' },
    config_epoch: { kind: 'text', nullable: true },
    revision: { kind: 'bigint', nullable: true },
    revision_since: { kind: 'timestamp', nullable: true },
    snapshot_hash: { kind: 'text', nullable: true },
    snapshot_source: { kind: 'text', nullable: true },
    lag: { kind: 'bigint', nullable: true },
    problem: { kind: 'text', nullable: true },
    in_flight: { kind: 'bigint' },
    rss_bytes: { kind: 'bigint' },
    spool_events: { kind: 'bigint' },
    started_at: { kind: 'timestamp' },
    seen_at: { kind: 'timestamp' },
  },
})
