export * from './usage-ingest.module.ts'
