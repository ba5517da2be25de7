import type { PlanConfig, RouteTable } from '@apigate/core'
import type { Upstream } from '../upstream/upstream.ts'
import type { KeyTable } from './key.table.ts'
import type { OwnerTable } from './owner.table.ts'

/**
 * Everything that a request is answered from. A request keeps the tables that it started with: routes and upstreams are
 * replaced with the whole object, while plans, owners and keys change in place, one entry at a time, so that a revoked
 * key is refused at once.
 */
export interface Tables {
  readonly epoch: string
  readonly revision: number
  readonly routes: RouteTable
  readonly upstreams: ReadonlyMap<string, Upstream>
  readonly plans: ReadonlyMap<string, PlanConfig>
  readonly owners: OwnerTable
  readonly keys: KeyTable
}
