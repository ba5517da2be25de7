export * from './webhook-delivery.module.ts'
export { WebhookDelivery } from './webhook.delivery.ts'
