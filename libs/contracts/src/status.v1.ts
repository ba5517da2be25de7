import { z } from 'zod'

/** A server of an upstream that a worker keeps requests away from: it failed too often, or its checks do. */
export const unhealthyTargetSchema = z.object({
  upstream: z.string(),
  /** Scheme, host and port. */
  url: z.string(),
  reason: z.enum(['ejected', 'unhealthy']),
  /** RFC 3339. */
  since: z.string(),
})
export type UnhealthyTarget = z.infer<typeof unhealthyTargetSchema>

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
  /** Since when, Unix ms. Absent from workers that do not know it, as is `snapshot`. */
  revisionAtMs: z.int().nonnegative().nullable().optional(),
  /** With which snapshot its tables began, and where that came from. */
  snapshot: z
    .object({ sha256: z.string(), revision: z.int().nonnegative(), from: z.enum(['feed', 'disk']) })
    .nullable()
    .optional(),
  /** Why the newest change or snapshot is not live, if it is not. */
  problem: z.string().nullable(),
  ready: z.boolean(),
  draining: z.boolean(),
  inFlight: z.int().nonnegative(),
  rssBytes: z.int().nonnegative(),
  /** Events in the spool that the ledger has not acknowledged. */
  spoolEvents: z.int().nonnegative(),
  /**
   * As things are, so that a lost message loses no transition: whoever follows compares with the status before. As many as fit
   * into a message; absent from workers that do not know it.
   */
  unhealthyTargets: z.array(unhealthyTargetSchema).optional(),
  atMs: z.int().nonnegative(),
})
export type WorkerStatus = z.infer<typeof workerStatusSchema>
