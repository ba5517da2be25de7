import { ApiError } from '@apigate/errors'
import { isObject } from '../jsonapi/index.ts'

/**
 * Ids of resources that do not exist yet: an `add` may give its resource a `lid`, by which later operations of the same
 * document name it (JSON:API 1.1 §7.2.3). Each gets its real id when it is read, before anything is written.
 */
export class LocalIds {
  readonly #ids = new Map<string, string>()

  /** @throws ApiError 400 for a `lid` that is not text, or that a resource of this type has already. */
  declare(type: string, lid: unknown, id: string): void {
    const pointer = '/data/lid'
    if (typeof lid !== 'string' || lid === '') throw ApiError.of('bad_request', 'a lid is text', { pointer })
    const key = keyOf(type, lid)
    if (this.#ids.has(key)) throw ApiError.of('bad_request', `the lid "${lid}" is another resource's`, { pointer })
    this.#ids.set(key, id)
  }

  /** The identifier with the id that its `lid` stands for; anything else as it is. @throws ApiError 400 for an unknown `lid`. */
  resolved(value: unknown, pointer: string): unknown {
    if (!isObject(value) || value['lid'] === undefined || value['id'] !== undefined) return value
    const { lid, ...others } = value
    const id = this.#ids.get(keyOf(value['type'], lid))
    if (id !== undefined) return { ...others, id }
    throw ApiError.of('bad_request', `no operation before this one adds a resource of this type and lid`, {
      pointer: `${pointer}/lid`,
    })
  }

  /** `data` of an operation with every `lid` in it replaced: its own, those of its linkages, those in a list. */
  resolvedData(data: unknown): unknown {
    if (Array.isArray(data)) return data.map((each, index) => this.resolved(each, `/data/${index}`))
    const resource = this.resolved(data, '/data')
    return isObject(resource) ? { ...resource, ...this.#relationships(resource['relationships']) } : resource
  }

  /** The same for a resource that is new, whose own `lid` is declared rather than known. */
  resolvedLinkages(data: Record<string, unknown>): Record<string, unknown> {
    return { ...data, ...this.#relationships(data['relationships']) }
  }

  #relationships(relationships: unknown): { relationships?: unknown } {
    if (!isObject(relationships)) return relationships === undefined ? {} : { relationships }
    const entries = Object.entries(relationships).map(([name, relationship]) => {
      if (!isObject(relationship) || !('data' in relationship)) return [name, relationship] as const
      const pointer = `/data/relationships/${name}/data`
      return [name, { ...relationship, data: this.resolved(relationship['data'], pointer) }] as const
    })
    return { relationships: Object.fromEntries(entries) }
  }
}

function keyOf(type: unknown, lid: unknown): string {
  return JSON.stringify([type, lid])
}
