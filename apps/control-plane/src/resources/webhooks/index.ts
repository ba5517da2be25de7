export * from './webhooks.module.ts'
export * from './webhooks.resource.ts'
