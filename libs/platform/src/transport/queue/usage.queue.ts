import type { UsageBatch } from '@apigate/contracts'
import type { JobsOptions } from 'bullmq'
import type { Logger } from '../../logger.ts'
import type { TransportConfig, UsageQueue } from '../transport.ts'
import { JobProducer } from './job.producer.ts'
import { usageJobs } from './usage.jobs.ts'

const jobOptions: JobsOptions = {
  // Frees the id, so that a batch whose mark was lost can be sent again.
  removeOnComplete: true,
  // For ever, after the pauses of the consumer: the same id added again would be no second try.
  attempts: 2 ** 31 - 1,
  backoff: { type: 'of the consumer' },
  stackTraceLimit: 1,
}

/** Usage batches onto BullMQ. */
export class BullUsageQueue implements UsageQueue {
  readonly #jobs: JobProducer<UsageBatch>

  constructor(config: TransportConfig, log: Logger) {
    this.#jobs = new JobProducer(usageJobs, jobOptions, config, log)
  }

  async add(batch: UsageBatch): Promise<void> {
    await this.#jobs.add([{ id: `${batch.worker}_${batch.epoch}_${batch.first}`, data: batch }])
  }

  async close(): Promise<void> {
    await this.#jobs.close()
  }
}
