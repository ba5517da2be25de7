import { z } from 'zod'

/**
 * `usage-batch.v2`: consecutive events of one worker epoch, `first`..`last` both included. `rows` is a line of `usageRow` for
 * each; it stays text, because ingest passes it to PostgreSQL as it came.
 */
export const usageBatchSchema = z
  .object({
    v: z.literal(2),
    worker: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    /** Unix ms of the worker's start, raised where needed so that it grows with every start. */
    epoch: z.int().positive(),
    first: z.int().positive(),
    last: z.int().positive(),
    rows: z.string().min(2),
  })
  .refine((batch) => batch.last >= batch.first, 'last is before first')
export type UsageBatch = z.infer<typeof usageBatchSchema>
