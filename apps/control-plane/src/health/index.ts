export * from './health.module.ts'
export * from './readiness.ts'
