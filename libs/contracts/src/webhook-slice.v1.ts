import { z } from 'zod'

/**
 * `webhook-slice.v1`: deliveries to one webhook that are to be attempted together. What is sent, and where, is read from
 * PostgreSQL; a delivery whose lease is not its newest is void.
 */
export const webhookSliceSchema = z.object({
  v: z.literal(1),
  webhook: z.string().min(1),
  /** Requests at once. */
  atOnce: z.int().positive(),
  deliveries: z.array(z.object({ id: z.string().min(1), lease: z.int().positive() })).min(1),
})
export type WebhookSlice = z.infer<typeof webhookSliceSchema>
