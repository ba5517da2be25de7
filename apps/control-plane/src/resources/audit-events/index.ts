export * from './audit-events.module.ts'
export * from './audit-events.resource.ts'
export * from './audit-events.service.ts'
