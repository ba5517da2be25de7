import type { GroupStatus, UserStatus } from '@apigate/core'
import { IdTable, partBits, partMask, partSlots } from './id.table.ts'
import type { KeyLine, UserLine } from './snapshot.line.ts'

/** Who a key belongs to: a user or a group, as it was when it was looked up. */
export interface Owner {
  readonly kind: 'user' | 'group'
  readonly id: string
  readonly status: UserStatus | GroupStatus
  readonly planId: string
}

const statuses = ['active', 'pending', 'suspended', 'cancelled'] as const satisfies readonly Owner['status'][]

const USER = 1
const GONE = 2
const statusShift = 2
const recentMax = 8_192

/**
 * Users and groups by id, and by the small number under which the key table stores them: columns, for millions of them. A
 * change touches one place.
 */
export class OwnerTable {
  readonly #ids = new IdTable()
  readonly #flags: Uint8Array[] = []
  readonly #plans: Uint32Array[] = []
  /** Plans are few and named by many. */
  readonly #planIds: string[] = []
  readonly #planNumbers = new Map<string, number>()
  /** Bounded, of those asked for lately, by place: an owner with the same id text each time is cheaper to look things up by. */
  readonly #recent = new Map<number, Owner>()

  get size(): number {
    return this.#ids.size
  }

  /** @throws Error when the id cannot be stored. */
  put({ kind, id, status, planId }: Owner): void {
    const known = this.#ids.find(id)
    this.#set(known === -1 ? this.#ids.add(id) : known, kind, status, planId)
  }

  /** Makes room for so many. */
  reserve(owners: number): void {
    this.#ids.reserve(owners)
  }

  /** The same as `put`, of a user whose id a line holds. */
  putUser({ id, status, planId }: UserLine): void {
    const known = this.#ids.findWords(id)
    this.#set(known === -1 ? this.#ids.addWords(id) : known, 'user', status, planId)
  }

  /** A deleted owner's place stays empty until the next snapshot: a key may still name it. */
  delete(id: string): void {
    const place = this.#ids.find(id)
    if (place === -1) return
    this.#ids.remove(place)
    this.#recent.delete(place)
    this.#flags[place >>> partBits]![place & partMask] = GONE
  }

  /** -1 when there is no such owner. */
  placeOf(id: string): number {
    return this.#ids.find(id)
  }

  placeOfLine({ owner }: KeyLine): number {
    return this.#ids.findWords(owner)
  }

  /** Null when there is none, or none any more. */
  at(place: number): Owner | null {
    const recent = this.#recent.get(place)
    if (recent !== undefined) return recent
    if (place >= this.#ids.used) return null
    const flags = this.#flags[place >>> partBits]![place & partMask]!
    if ((flags & GONE) !== 0) return null
    const owner: Owner = {
      kind: (flags & USER) !== 0 ? 'user' : 'group',
      id: this.#ids.idOf(place),
      status: statuses[flags >>> statusShift]!,
      planId: this.#planIds[this.#plans[place >>> partBits]![place & partMask]!]!,
    }
    if (this.#recent.size === recentMax) this.#recent.clear()
    this.#recent.set(place, owner)
    return owner
  }

  #set(place: number, kind: Owner['kind'], status: Owner['status'], planId: string): void {
    this.#recent.delete(place)
    const part = place >>> partBits
    if (part === this.#flags.length) {
      this.#flags.push(new Uint8Array(partSlots))
      this.#plans.push(new Uint32Array(partSlots))
    }
    const number = statuses.indexOf(status)
    // One that this version does not know is not active, whatever it is.
    const known = number === -1 ? statuses.indexOf('suspended') : number
    this.#flags[part]![place & partMask] = (kind === 'user' ? USER : 0) | (known << statusShift)
    this.#plans[part]![place & partMask] = this.#planNumber(planId)
  }

  #planNumber(planId: string): number {
    let number = this.#planNumbers.get(planId)
    if (number === undefined) {
      number = this.#planIds.length
      this.#planIds.push(planId)
      this.#planNumbers.set(planId, number)
    }
    return number
  }
}
