import { UnrecoverableError } from 'bullmq'

/** A batch that can never be written, whatever is repaired around it. Its message holds nothing of the events. */
export class RefusedBatchError extends UnrecoverableError {
  override readonly name = 'RefusedBatchError'
}
