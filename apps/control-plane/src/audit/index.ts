export * from './audit-entry.ts'
export * from './audit.module.ts'
export * from './audited-writes.ts'
