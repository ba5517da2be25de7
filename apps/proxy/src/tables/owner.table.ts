import type { GroupStatus, UserStatus } from '@apigate/core'

/** Who a key belongs to: a user or a group. Changed in place, so that it is read at one moment of a request. */
export interface Owner {
  readonly kind: 'user' | 'group'
  readonly id: string
  status: UserStatus | GroupStatus
  planId: string
}

/** Users and groups by id, and by the small number under which the key table stores them. */
export class OwnerTable {
  /** A deleted owner's place stays empty until the next snapshot: a key may still name it. */
  readonly #places: (Owner | null)[] = []
  readonly #placeById = new Map<string, number>()

  get size(): number {
    return this.#placeById.size
  }

  put(owner: Owner): void {
    const place = this.#placeById.get(owner.id)
    const known = place === undefined ? null : this.#places[place]
    if (known) {
      known.status = owner.status
      known.planId = owner.planId
    } else {
      this.#placeById.set(owner.id, this.#places.length)
      this.#places.push(owner)
    }
  }

  delete(id: string): void {
    const place = this.#placeById.get(id)
    if (place === undefined) return
    this.#placeById.delete(id)
    this.#places[place] = null
  }

  /** -1 when there is no such owner. */
  placeOf(id: string): number {
    return this.#placeById.get(id) ?? -1
  }

  /** Null when there is none, or none any more. */
  at(place: number): Owner | null {
    return this.#places[place] ?? null
  }
}
