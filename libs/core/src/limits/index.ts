/**
 * What a plan allows: a token bucket per key (`token-bucket.ts`), metered units per UTC calendar month (`quota.ts`,
 * `month.ts`). Pure arithmetic; the caller keeps the state and brings the time. Constant time and, but for the decision
 * itself, no allocation.
 */
export * from './month.ts'
export * from './quota.ts'
export * from './token-bucket.ts'
