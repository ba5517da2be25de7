export * from './usage-ingest.module.ts'
export { UsageIngest, type IngestCounts } from './usage.ingest.ts'
export * from './usage.ledger.ts'
