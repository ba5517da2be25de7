import { queues, usageBatchSchema, usageBatchV1Schema, type UsageBatch, type UsageBatchV1 } from '@apigate/contracts'
import type { JobKind } from './job.consumer.ts'
import { RefusedBatchError } from './refused.batch.error.ts'

/**
 * Usage batches. What is no batch, and one whose handler throws `RefusedBatchError`, is set aside: it stays in the queue's
 * failed jobs for the operator. Any other failure says nothing about the batch (the database is away, a table is missing after
 * a bad deploy, a bug), so it is tried again with growing pauses, for ever.
 */
export const usageJobs: JobKind<UsageBatch> = {
  queue: queues.usage,
  schema: usageBatchSchema,
  away: 'the usage queue is away',
  refusal: () => new RefusedBatchError('not a usage batch'),
  again: 'a usage batch could not be written; it is tried again',
  aside: 'a usage batch was set aside',
}

/** Those of older workers. */
export const usageJobsV1: JobKind<UsageBatchV1> = { ...usageJobs, queue: queues.usageV1, schema: usageBatchV1Schema }
