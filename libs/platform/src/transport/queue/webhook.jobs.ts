import { queues, webhookDeliverySchema, type WebhookDelivery } from '@apigate/contracts'
import { UnrecoverableError, type JobsOptions } from 'bullmq'
import type { JobKind } from './job.consumer.ts'

export const webhookJobs: JobKind<WebhookDelivery> = {
  queue: queues.webhooks,
  schema: webhookDeliverySchema,
  away: 'the queue of webhook deliveries is away',
  refusal: () => new UnrecoverableError('not a webhook delivery'),
  again: 'a webhook delivery was broken off',
  aside: 'a webhook delivery was broken off; it is attempted again when its lease is over',
}

/** One try: what is to be tried again PostgreSQL knows, not the queue. */
export const webhookJobOptions: JobsOptions = { attempts: 1, removeOnComplete: true, removeOnFail: true }
