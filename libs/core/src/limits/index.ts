/**
 * What a plan allows: a token bucket per key (`token-bucket.ts`), metered units per UTC calendar month (`quota.ts`,
 * `month.ts`). Several workers share both by leases: `shared-bucket.ts` and `shared-quota.ts` are what the store does,
 * `key-lease.ts` and `quota-account.ts` what a worker holds. Pure arithmetic; the caller keeps the state and brings the
 * time. Constant time.
 */
export * from './key-lease.ts'
export * from './month.ts'
export * from './quota-account.ts'
export * from './quota.ts'
export * from './shared-bucket.ts'
export * from './shared-quota.ts'
export * from './token-bucket.ts'
