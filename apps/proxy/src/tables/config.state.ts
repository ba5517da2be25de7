import { setImmediate as immediate } from 'node:timers/promises'
import {
  compileRoutes,
  compileRoutesInSlices,
  type ConfigItem,
  type KeyConfig,
  type PlanConfig,
  type RouteConfig,
  type RouteTable,
  type UpstreamConfig,
} from '@apigate/core'
import type { Reach, Sealer } from '@apigate/platform'
import { buildUpstreams, type Upstream } from '../upstream/upstream.ts'
import { KeyTable, noOwner } from './key.table.ts'
import { KeyLine, UserLine } from './snapshot.line.ts'
import { OwnerTable } from './owner.table.ts'
import type { Tables } from './tables.ts'

/** Told when keys change; everything else is read from the tables. */
export interface KeyListener {
  /** The key was changed or is gone: what it opened and is still running must be looked at. */
  keyChanged(id: string): void
}

/**
 * The configuration of one epoch, as items came in, and the tables made of it.
 *
 * Plans, owners and keys take effect item by item. Routes and upstreams are compiled together at `compile`; when that
 * fails the last good ones stay, and keys can still be revoked. `problem` is non-null until everything that came in is
 * live, whoever repairs it: a later item of the same resource, or a fresh snapshot.
 */
export class ConfigState {
  readonly epoch: string
  /** Set when these tables go live: until then nobody has used their keys. */
  listener: KeyListener | null = null
  readonly #sealer: Pick<Sealer, 'open'>
  readonly #reach: Reach | null
  readonly #plans = new Map<string, PlanConfig>()
  readonly #owners = new OwnerTable()
  readonly #keys = new KeyTable()
  readonly #routeConfigs = new Map<string, RouteConfig>()
  readonly #upstreamConfigs = new Map<string, UpstreamConfig>()
  readonly #lines = { key: new KeyLine(), user: new UserLine() }
  readonly #problems = new Map<string, string>()
  #routes: RouteTable = compileRoutes([])
  #upstreams: ReadonlyMap<string, Upstream>
  #isRouteTableOld = true
  #areUpstreamsOld = true

  /** @param upstreams what the state before has, so that unchanged upstreams keep their connections. */
  constructor(
    epoch: string,
    upstreams: ReadonlyMap<string, Upstream>,
    sealer: Pick<Sealer, 'open'>,
    reach: Reach | null = null,
  ) {
    this.epoch = epoch
    this.#upstreams = upstreams
    this.#sealer = sealer
    this.#reach = reach
  }

  get problem(): string | null {
    return this.#problems.size === 0 ? null : [...this.#problems.values()].join('; ')
  }

  /** Makes room for what comes, so that tables need not grow on the way: most items of a large snapshot are keys. */
  expect(items: number): void {
    this.#keys.reserve(items / 2)
    this.#owners.reserve(items / 4)
  }

  /** Never throws: an item that is not usable is noted in `problem` and skipped. */
  apply(item: ConfigItem): void {
    const id = item.op === 'put' ? item.value.id : item.id
    const name = `${item.kind} ${id}`
    try {
      if (item.op === 'put') this.#put(item)
      else this.#delete(item.kind, id)
      this.#problems.delete(name)
    } catch (error) {
      this.#problems.set(name, messageOf(error))
    }
  }

  /**
   * The same for a line of a snapshot that has a user or a key in the usual form, without making objects of it: there are
   * millions.
   *
   * @returns where the line ends, or -1 when it has something else, or something wrong: then parse it and `apply` the item.
   */
  applyLine(bytes: Uint8Array, start: number): number {
    const { key, user } = this.#lines
    if (key.read(bytes, start)) {
      const owner = key.hasOwner ? this.#owners.placeOfLine(key) : noOwner
      return owner !== -1 && this.#keys.addLine(key, owner) ? key.at : -1
    }
    if (!user.read(bytes, start)) return -1
    this.#owners.putUser(user)
    return user.at
  }

  /** Of a change that is not to be applied otherwise: a key that it revokes or deletes ends here, too. */
  endKey(item: ConfigItem): void {
    if (item.kind !== 'key') return
    if (item.op === 'delete') this.#delete('key', item.id)
    else if (item.value.revokedAtMs !== null && this.#keys.revoke(item.value.id)) {
      this.listener?.keyChanged(item.value.id)
    }
  }

  /** Compiles routes and upstreams if they have changed since. Never throws: see `problem`. */
  compile(): void {
    const slices = this.#compiling()
    while (slices.next().done !== true);
  }

  /**
   * The same, with other work of the event loop in between: 100,000 routes take seconds. Items may be applied meanwhile; routes
   * and upstreams among them are for the next time. One at a time.
   */
  async compileInTurns(): Promise<void> {
    const slices = this.#compiling()
    while (slices.next().done !== true) await immediate()
  }

  *#compiling(): Generator<undefined, void, undefined> {
    if (!this.#isRouteTableOld) return
    this.#isRouteTableOld = false
    const areUpstreamsOld = this.#areUpstreamsOld
    this.#areUpstreamsOld = false
    try {
      const upstreams = areUpstreamsOld
        ? buildUpstreams(this.#upstreamConfigs.values(), this.#upstreams, this.#sealer, this.#reach)
        : this.#upstreams
      this.#routes = yield* compileRoutesInSlices([...this.#routeConfigs.values()], this.#routes)
      this.#upstreams = upstreams
      this.#problems.delete('routes')
    } catch (error) {
      this.#isRouteTableOld = true
      this.#areUpstreamsOld ||= areUpstreamsOld
      this.#problems.set('routes', messageOf(error))
    }
  }

  tables(revision: number): Tables {
    return {
      epoch: this.epoch,
      revision,
      routes: this.#routes,
      upstreams: this.#upstreams,
      plans: this.#plans,
      owners: this.#owners,
      keys: this.#keys,
    }
  }

  #put(item: Extract<ConfigItem, { op: 'put' }>): void {
    switch (item.kind) {
      case 'plan':
        this.#plans.set(item.value.id, item.value)
        break
      case 'user':
      case 'group': {
        const { id, status, planId } = item.value
        this.#owners.put({ kind: item.kind, id, status, planId })
        break
      }
      case 'key':
        this.#putKey(item.value)
        break
      case 'upstream':
        this.#upstreamConfigs.set(item.value.id, item.value)
        this.#isRouteTableOld = true
        this.#areUpstreamsOld = true
        break
      case 'route':
        this.#routeConfigs.set(item.value.id, item.value)
        this.#isRouteTableOld = true
        break
    }
  }

  #putKey(key: KeyConfig): void {
    const isNew = this.#keys.findId(key.id) === -1
    const ownerId = key.userId ?? key.groupId
    const place = ownerId === null ? noOwner : this.#owners.placeOf(ownerId)
    if (place === -1) throw new Error(`key ${key.id}: there is no owner ${ownerId}`)
    this.#keys.put(key, place)
    if (!isNew) this.listener?.keyChanged(key.id)
  }

  #delete(kind: ConfigItem['kind'], id: string): void {
    switch (kind) {
      case 'plan':
        this.#plans.delete(id)
        break
      case 'user':
      case 'group':
        this.#owners.delete(id)
        break
      case 'key':
        this.#keys.delete(id)
        this.listener?.keyChanged(id)
        break
      case 'upstream':
        if (!this.#upstreamConfigs.delete(id)) break
        this.#isRouteTableOld = true
        this.#areUpstreamsOld = true
        break
      case 'route':
        this.#isRouteTableOld = this.#routeConfigs.delete(id) || this.#isRouteTableOld
        break
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
