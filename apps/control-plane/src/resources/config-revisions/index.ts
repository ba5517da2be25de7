export * from './config-revisions.module.ts'
