import { ApiError, errorObject, type ErrorObject } from '@apigate/errors'
import { usageBounds } from '@apigate/contracts'

/** One event of a meter, as it was sent and checked. */
export interface MeterInput {
  /** Position in the body. */
  index: number
  id: string
  units: number
  userId: string | null
  groupId: string | null
  apiKeyId: string | null
  routeId: string | null
  createdAt: Date
}

export const meterEventsMax = 1_000
const futureMsMax = 3_600_000
const pastMsMax = 35 * 86_400_000
const idShape = /^[\x21-\x7e]{1,128}$/
const fields = new Set(['id', 'units', 'user_id', 'group_id', 'api_key_id', 'route_id', 'created_at'])

/**
 * Reads `{"events": [{"id", "units", "user_id" | "group_id" | "api_key_id", "route_id"?, "created_at"?}, …]}`, or a document
 * of `usage_events` resources with the same attributes. What is wrong with one event is told of that event alone.
 *
 * @throws ApiError when the body is neither.
 */
export function readMeterBody(body: unknown, now: Date): { events: MeterInput[]; errors: ErrorObject[] } {
  const { list, pointerOf } = listIn(body)
  if (list.length > meterEventsMax) {
    throw ApiError.of('validation_error', `at most ${meterEventsMax} events come in one request`, {
      pointer: pointerOf(-1),
    })
  }
  const events: MeterInput[] = []
  const errors: ErrorObject[] = []
  for (const [index, entry] of list.entries()) {
    const problems = new Problems(pointerOf(index))
    const event = readEvent(entry, index, now, problems)
    if (event === null || problems.errors.length > 0) errors.push(...problems.errors)
    else events.push(event)
  }
  return { events, errors }
}

class Problems {
  readonly errors: ErrorObject[] = []
  constructor(private readonly pointer: string) {}

  add(field: string, detail: string): null {
    const pointer = field === '' ? this.pointer : `${this.pointer}/${field}`
    this.errors.push(errorObject('validation_error', detail, { pointer }))
    return null
  }
}

function listIn(body: unknown): { list: unknown[]; pointerOf: (index: number) => string } {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  const { events, data } = (isObject ? body : {}) as { events?: unknown; data?: unknown }
  const [name, list] = Array.isArray(events) ? ['events', events] : ['data', data]
  if (!Array.isArray(list)) {
    throw ApiError.of('bad_request', 'send {"events": […]}, or a document with a list of usage_events in data')
  }
  return { list, pointerOf: (index) => (index === -1 ? `/${name}` : `/${name}/${index}`) }
}

function readEvent(entry: unknown, index: number, now: Date, problems: Problems): MeterInput | null {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return problems.add('', 'must be an object')
  const { type, attributes, ...flat } = entry as Record<string, unknown>
  const isResource = type !== undefined || attributes !== undefined
  if (isResource && type !== 'usage_events') return problems.add('type', 'must be usage_events')
  const at = isResource ? 'attributes/' : ''
  const given = (isResource ? attributes : flat) as Record<string, unknown> | undefined
  if (typeof given !== 'object' || given === null) return problems.add('attributes', 'must be an object')
  const id = isResource ? flat['id'] : given['id']
  for (const name of Object.keys(given)) {
    if (!fields.has(name) || (isResource && name === 'id'))
      problems.add(at + name.replaceAll('~', '~0').replaceAll('/', '~1'), 'is not known')
  }
  if (typeof id !== 'string' || !idShape.test(id)) problems.add('id', 'must be 1 to 128 visible ASCII characters')
  const { units } = given
  if (!Number.isSafeInteger(units) || (units as number) < 0 || (units as number) > usageBounds.meteredUnitsMax) {
    problems.add(`${at}units`, `must be a whole number from 0 to ${usageBounds.meteredUnitsMax}`)
  }
  const idOf = (name: string): string | null => {
    const value = given[name] ?? null
    if (value === null || (typeof value === 'string' && idShape.test(value))) return value
    return problems.add(at + name, 'must be an id')
  }
  const [userId, groupId, apiKeyId, routeId] = [idOf('user_id'), idOf('group_id'), idOf('api_key_id'), idOf('route_id')]
  if ([userId, groupId].filter((owner) => owner !== null).length > 1)
    problems.add('', 'is of a user or of a group, not of both')
  if (userId === null && groupId === null && apiKeyId === null)
    problems.add('', 'needs a user_id, a group_id or an api_key_id')
  const createdAt = readTime(given['created_at'], now)
  if (createdAt === null) {
    problems.add(`${at}created_at`, 'must be a time of RFC 3339, at most 35 days ago and an hour ahead')
  }
  return {
    index,
    id: String(id),
    units: Number(units),
    userId,
    groupId,
    apiKeyId,
    routeId,
    createdAt: createdAt ?? now,
  }
}

function readTime(value: unknown, now: Date): Date | null {
  if (value === undefined || value === null) return now
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i.test(value))
    return null
  const ms = Date.parse(value)
  return ms >= now.getTime() - pastMsMax && ms <= now.getTime() + futureMsMax ? new Date(ms) : null
}
