export * from './usage-ingest.module.ts'
export type { UsageIngestConnections } from './usage.ingest.ts'
