import type { ConfigItem } from '@apigate/core'
import { z } from 'zod'

/**
 * `change.v1`: one admin write as the workers apply it. Revisions are gapless within an epoch. A change too big for one
 * message travels in `parts` of one revision; a worker applies the revision when it has all of them.
 *
 * Only the envelope is checked here. The items were compiled by the writer with the worker's own code, and a worker
 * that cannot compile one keeps its old tables, so a second schema of each resource would only be a second truth.
 */
export const changeMessageSchema = z.object({
  v: z.literal(1),
  /** Names one history of revisions; a database restored from an older copy starts a new one. */
  epoch: z.string().min(1),
  revision: z.int().positive(),
  part: z.int().nonnegative(),
  parts: z.int().positive(),
  atMs: z.int().nonnegative(),
  /** W3C Trace Context: of the write, then of who sent it on. */
  traceparent: z.string().max(64).optional(),
  items: z.array(
    z.custom<ConfigItem>((item) => typeof item === 'object' && item !== null && 'kind' in item && 'op' in item),
  ),
})
export type ChangeMessage = z.infer<typeof changeMessageSchema>
