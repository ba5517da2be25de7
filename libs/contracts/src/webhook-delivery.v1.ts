import { z } from 'zod'

/**
 * `webhook-delivery.v1`: a delivery to attempt. What is sent, and where, is read from PostgreSQL; a job whose lease is not the
 * delivery's newest is void.
 */
export const webhookDeliverySchema = z.object({
  v: z.literal(1),
  delivery: z.string().min(1),
  lease: z.int().positive(),
})
export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>
