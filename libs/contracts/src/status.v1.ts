import { z } from 'zod'

/** `status.v1`: what a worker runs, sent on every apply and once a second. */
export const workerStatusSchema = z.object({
  v: z.literal(1),
  worker: z.string().min(1),
  /** The worker's usage epoch, which is also its start in Unix ms. */
  epoch: z.int().positive(),
  version: z.string(),
  configEpoch: z.string().nullable(),
  /** Applied revision; null before the first snapshot. */
  revision: z.int().nonnegative().nullable(),
  /** Why the newest change or snapshot is not live, if it is not. */
  problem: z.string().nullable(),
  ready: z.boolean(),
  draining: z.boolean(),
  inFlight: z.int().nonnegative(),
  rssBytes: z.int().nonnegative(),
  /** Events in the spool that the ledger has not acknowledged. */
  spoolEvents: z.int().nonnegative(),
  atMs: z.int().nonnegative(),
})
export type WorkerStatus = z.infer<typeof workerStatusSchema>
