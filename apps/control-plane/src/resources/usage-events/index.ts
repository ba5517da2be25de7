export * from './usage-events.module.ts'
export * from './usage-events.resource.ts'
export * from './usage-events.service.ts'
