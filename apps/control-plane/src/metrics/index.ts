export * from './api.metrics.ts'
export * from './backlog.repository.ts'
export * from './metrics.module.ts'
