import { routeProblems, sameRequests, type RouteConfig } from '@apigate/core'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { routeItem } from '../../config-publisher/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  rowFields,
  type Creation,
  type IncludeTree,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import { UpstreamsService } from '../upstreams/index.ts'
import { resourceEvent } from '../../webhook-outbox/index.ts'
import type { HostMatchType, RouteInput } from './routes.input.ts'
import { RoutesRepository, type RouteColumns, type RouteRow } from './routes.repository.ts'
import { routeResource } from './routes.resource.ts'

@Injectable()
export class RoutesService {
  constructor(
    private readonly routes: RoutesRepository,
    private readonly upstreams: UpstreamsService,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<RouteRow>> {
    return this.routes.list(query)
  }

  async get(id: string, include: IncludeTree | null): Promise<RouteRow> {
    return existing(routeResource, id, await this.routes.find(id, include))
  }

  async create({ id, input }: Creation<RouteInput>, actor: Actor): Promise<Written<RouteRow>> {
    const now = new Date()
    const route = merged(
      { ...newRoute, id: id ?? newId('rte'), createdAt: now, updatedAt: now },
      columnsOf(input, null),
    )
    checkCompiles(route)
    return this.writes.run(actor, async (tx) => {
      await this.upstreams.mustExist(tx, route.upstreamId)
      const row = await this.routes.insert(tx, route)
      return {
        row,
        audit: [auditEntry(routeResource, 'create', null, row)],
        items: [routeItem(row)],
        events: [resourceEvent('route.changed', routeResource, null, row)],
      }
    })
  }

  async update(id: string, update: Update<RouteInput>, actor: Actor): Promise<Written<RouteRow>> {
    const { input } = update
    return this.writes.run(actor, async (tx) => {
      const before = existing(routeResource, id, await this.routes.lock(tx, id))
      refuseChanges(routeResource, before, update)
      const columns = columnsOf(input, before)
      checkCompiles(merged(before, columns))
      if (input.upstream_id !== undefined) await this.upstreams.mustExist(tx, input.upstream_id)
      const row = await this.routes.update(tx, id, columns)
      return {
        row,
        audit: [auditEntry(routeResource, 'update', before, row)],
        items: [routeItem(row)],
        events: [resourceEvent('route.changed', routeResource, before, row)],
      }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(routeResource, id, await this.routes.lock(tx, id))
      await this.routes.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(routeResource, 'delete', before, null)],
        items: [{ kind: 'route', op: 'delete', id }],
        events: [resourceEvent('route.changed', routeResource, before, null)],
      }
    })
  }

  /** What is allowed but may not be meant: another enabled route takes exactly the same requests. */
  async warnings(row: RouteRow): Promise<string[]> {
    const config = configOf(row)
    const rivals = (await this.routes.findRivals(row)).filter((rival) => sameRequests(config, configOf(rival)))
    return rivals.map(({ id }) => `${id} matches exactly the same requests at the same priority: the older route wins`)
  }
}

const newRoute: Omit<RouteRow, 'id' | 'createdAt' | 'updatedAt'> = {
  ...{ name: '', description: '', hostPattern: '', hostMatchType: null, pathPattern: '', matchType: 'prefix' },
  ...{ methods: [], headers: [], pathRewrite: null, methodOverride: null, meteringExpr: null, meteringMode: 'request' },
  ...{ protocol: 'http', priority: 0, authRequired: true, enabled: true, upstreamId: '' },
  ...{ requestTransform: null, responseTransform: null },
}

function columnsOf(input: RouteInput, before: RouteRow | null): RouteColumns {
  const { hostMatchType, ...columns } = rowFields(input)
  const given = {
    methods: input.methods && [...new Set(input.methods.map((method) => method.toUpperCase()))],
    methodOverride: emptyAsNull(input.method_override && input.method_override.toUpperCase()),
    pathRewrite: emptyAsNull(input.path_rewrite),
    meteringExpr: emptyAsNull(input.metering_expr),
    // An expression that comes with a new route is meant to be used.
    meteringMode: input.metering_mode ?? (before === null && input.metering_expr ? 'custom' : undefined),
  }
  const pattern = input.host_pattern ?? before?.hostPattern ?? ''
  // A host that stops being an expression says so; the other kinds go with the spelling of the new pattern.
  const kept = before?.hostMatchType === 'regex' && pattern !== '' ? 'regex' : null
  const wanted = hostMatchType === undefined ? kept : hostMatchType
  return { ...columns, ...given, hostMatchType: wanted || inferred(pattern) }
}

function emptyAsNull(text: string | null | undefined): string | null | undefined {
  return text === '' ? null : text
}

/** A host pattern without a match type: `*.` starts a wildcard; no pattern means any host. */
function inferred(pattern: string): HostMatchType | null {
  if (pattern === '') return null
  return pattern.startsWith('*.') ? 'wildcard' : 'exact'
}

/** The row as it will be. */
function merged(row: RouteRow, columns: RouteColumns): RouteRow {
  const sent = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined))
  return { ...row, ...sent }
}

/** @throws InputError naming everything that the proxy could not compile. */
function checkCompiles(row: RouteRow): void {
  const problems = routeProblems(configOf(row)).map(({ field, message }) => ({
    code: 'validation_error' as const,
    field,
    detail: `${field} ${message}`,
  }))
  const [first, ...rest] = problems
  if (first) throw new InputError([first, ...rest])
}

function configOf(row: RouteRow): RouteConfig {
  const item = routeItem(row)
  if (item.kind !== 'route' || item.op !== 'put') throw new Error('a route became something else')
  return item.value
}
