export * from './usage-ingest.module.ts'
export * from './usage.ledger.ts'
