export * from './backlog.repository.ts'
export * from './metrics.module.ts'
