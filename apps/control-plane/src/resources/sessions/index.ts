export * from './sessions.module.ts'
export * from './sessions.resource.ts'
export * from './sessions.service.ts'
export type { SessionRow } from './sessions.repository.ts'
