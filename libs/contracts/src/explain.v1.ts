import { z } from 'zod'

const text = z.string()
const count = z.number()

/** `explain.v1`: a request as a client would send it, to be looked at and not to be done. */
export const explainRequestSchema = z.object({
  v: z.literal(1),
  method: text,
  /** Request target in origin form, e.g. `/v1/x?y=1`. */
  target: text,
  host: text,
  /** Lower-case names. */
  headers: z.record(text, text),
  /** Instead of a key among the headers. */
  keyId: text.nullable(),
  upgrade: z.boolean(),
})
export type ExplainRequest = z.infer<typeof explainRequestSchema>

/** What a worker would do with it. Secrets are masked. */
export const explanationSchema = z.object({
  v: z.literal(1),
  worker: text,
  configRevision: count.nullable(),
  /** Null: the request would go to the upstream. */
  refusal: z.object({ status: count, code: text, detail: text.nullable() }).nullable(),
  /** As routes are compared with it; null when it cannot be normalised. */
  request: z.object({ host: text, path: text, query: text }).nullable(),
  route: z.object({ id: text, name: text, params: z.record(text, text) }).nullable(),
  nearMisses: z.array(
    z.object({
      id: text,
      name: text,
      /** Empty: the route matches as well, and is behind by `lostBy`. */
      misses: z.array(z.object({ part: text, name: text.nullable() })),
      lostBy: text.nullable(),
    }),
  ),
  key: z.object({ id: text }).nullable(),
  owner: z.object({ type: z.enum(['user', 'group']), id: text, status: text }).nullable(),
  plan: z.object({ id: text, name: text }).nullable(),
  rateLimit: z.object({ limit: count, remaining: count, resetAtMs: count }).nullable(),
  quota: z.object({ mode: text, limit: count, used: count, resetAtMs: count }).nullable(),
  upstream: z
    .object({
      id: text,
      name: text,
      method: text,
      url: text,
      headers: z.array(z.tuple([text, text])),
    })
    .nullable(),
  metering: z.object({ mode: text, expression: text.nullable() }).nullable(),
})
export type Explanation = z.infer<typeof explanationSchema>
