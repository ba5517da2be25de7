import { queues, webhookSliceSchema, type WebhookSlice } from '@apigate/contracts'
import { UnrecoverableError, type JobsOptions } from 'bullmq'
import type { JobKind } from './job.consumer.ts'

export const webhookJobs: JobKind<WebhookSlice> = {
  queue: queues.webhooks,
  schema: webhookSliceSchema,
  away: 'the queue of webhook deliveries is away',
  refusal: () => new UnrecoverableError('not a slice of webhook deliveries'),
  again: 'webhook deliveries were broken off',
  aside: 'webhook deliveries were broken off; they are attempted again when their leases are over',
}

/** One try: what is to be tried again PostgreSQL knows, not the queue. */
export const webhookJobOptions: JobsOptions = { attempts: 1, removeOnComplete: true, removeOnFail: true }
