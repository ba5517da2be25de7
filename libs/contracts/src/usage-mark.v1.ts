import { z } from 'zod'

/**
 * `usage-mark.v1`: everything of this worker epoch from `first` up to and including `seq` is committed in the ledger.
 * `first` is 1 unless something before it is missing: what a worker could not keep must not hold up what it kept.
 */
export const usageMarkSchema = z.object({
  v: z.literal(1),
  worker: z.string().min(1),
  epoch: z.int().positive(),
  first: z.int().positive(),
  seq: z.int().nonnegative(),
})
export type UsageMark = z.infer<typeof usageMarkSchema>
