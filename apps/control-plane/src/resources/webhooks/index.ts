export { WebhookInput } from './webhooks.input.ts'
export * from './webhooks.module.ts'
export * from './webhooks.resource.ts'
export * from './webhooks.service.ts'
