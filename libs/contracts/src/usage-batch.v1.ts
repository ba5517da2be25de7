import { z } from 'zod'

/**
 * `usage-batch.v1`, of workers that are older than the ledger: consecutive events of one worker epoch, `first`..`last` both
 * included, as the text of a JSON array of `UsageEvent`.
 */
export const usageBatchV1Schema = z
  .object({
    v: z.literal(1),
    worker: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    /** Unix ms of the worker's start, raised where needed so that it grows with every start. */
    epoch: z.int().positive(),
    first: z.int().positive(),
    last: z.int().positive(),
    events: z.string().min(2),
  })
  .refine((batch) => batch.last >= batch.first, 'last is before first')
export type UsageBatchV1 = z.infer<typeof usageBatchV1Schema>
