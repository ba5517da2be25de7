export * from './upstream-health.module.ts'
