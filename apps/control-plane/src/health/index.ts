export * from './health.module.ts'
export * from './health.repository.ts'
export * from './readiness.ts'
