export interface DeliveryPolicy {
  /** Slices, each of one webhook, that this process works on at once. */
  slicesAtOnceMax: number
  /** Of webhooks that are failing, all processes together: dead ones must leave room for the others. */
  failingAtOnceMax: number
  /** Requests to one webhook at once, of all processes. */
  perWebhookMax: number
  /** Deliveries of a slice, */
  sliceMax: number
  /** and for how long they are begun; what is left then has its turn again. */
  sliceMs: number
  timeoutMs: number
  /** How often it is looked for what is due, at least, */
  pollMs: number
  /** and at most. */
  gapMs: number
  /** A webhook that has failed for so long is disabled; 0: never. */
  disableAfterMs: number
  /** Unix ms. */
  clock: () => number
}

export const deliveryPolicy: Omit<DeliveryPolicy, 'disableAfterMs'> = {
  ...{ slicesAtOnceMax: 200, failingAtOnceMax: 50, perWebhookMax: 4, sliceMax: 100, sliceMs: 10_000 },
  ...{ timeoutMs: 15_000, pollMs: 500, gapMs: 100, clock: Date.now },
}

/** What is leased and not finished after this is leased again: longer than a slice, its last attempt and a queue may take. */
export const leaseMs = 45_000
