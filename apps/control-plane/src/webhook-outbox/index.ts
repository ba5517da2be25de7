export * from './webhook.event.ts'
export * from './webhook.outbox.ts'
