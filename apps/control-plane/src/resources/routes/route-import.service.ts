import { Injectable } from '@nestjs/common'
import { AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { EntryError, InputError, type Written } from '../../jsonapi/index.ts'
import { openApiRoutes, type PathRoute } from './openapi.routes.ts'
import type { RouteImportInput } from './route-import.input.ts'
import { RouteInput } from './routes.input.ts'
import { RoutesRepository, type RouteRow } from './routes.repository.ts'
import { RoutesService } from './routes.service.ts'

export interface ImportedRoutes {
  created: string[]
  updated: string[]
  unchanged: string[]
}

const routesMax = 2_000

@Injectable()
export class RouteImportService {
  constructor(
    private readonly routes: RoutesService,
    private readonly repository: RoutesRepository,
    private readonly writes: AuditedWrites,
  ) {}

  /**
   * Makes a route of each path, or changes the one that an earlier import made of it: all of them or none, by one revision.
   *
   * @throws InputError about `openapi`, with the path where there is one.
   */
  async run(input: RouteImportInput, actor: Actor): Promise<Written<ImportedRoutes>> {
    const { openapi, path_prefix = '', ...settings } = input
    const wanted = openApiRoutes(openapi, path_prefix)
    if (wanted === null) throw InputError.of('validation_error', 'openapi', 'openapi must be an OpenAPI 3 document')
    if (wanted.length === 0) throw InputError.of('validation_error', 'openapi', 'openapi has no path with an operation')
    if (wanted.length > routesMax) {
      throw InputError.of('validation_error', 'openapi', `openapi has more than ${routesMax} paths`)
    }
    return this.writes.together(actor, async () => {
      const imported: ImportedRoutes = { created: [], updated: [], unchanged: [] }
      for (const route of wanted) imported[await this.put(route, settings, actor)].push(route.id)
      return imported
    })
  }

  private async put(
    { id, source, fields }: PathRoute,
    settings: Partial<RouteInput>,
    actor: Actor,
  ): Promise<keyof ImportedRoutes> {
    const sent = Object.entries({ ...fields, ...settings }).filter(([, value]) => value !== undefined)
    const input = Object.assign(new RouteInput(), Object.fromEntries(sent))
    try {
      const row = await this.repository.find(id)
      if (row === null) {
        await this.routes.create({ id, input }, actor)
        return 'created'
      }
      if (isSo(row, input)) return 'unchanged'
      await this.routes.update(id, { input, readOnly: new Map() }, actor)
      return 'updated'
    } catch (error) {
      throw located(error, source, fields.name ?? id)
    }
  }
}

function isSo(row: RouteRow, input: RouteInput): boolean {
  return (
    row.name === input.name &&
    row.description === input.description &&
    row.pathPattern === input.path_pattern &&
    row.matchType === input.match_type &&
    row.upstreamId === input.upstream_id &&
    row.methods.join() === input.methods?.join() &&
    row.hostPattern === (input.host_pattern ?? row.hostPattern) &&
    row.authRequired === (input.auth_required ?? row.authRequired) &&
    row.enabled === (input.enabled ?? row.enabled)
  )
}

/** What a route is refused for is said of the document: the client did not send the route. */
function located(error: unknown, source: string, name: string): unknown {
  const cause = error instanceof EntryError ? error.cause : error
  if (!(cause instanceof InputError)) return cause
  const [first, ...rest] = cause.problems.map(({ code, field, detail }) =>
    field === 'upstream_id' || field === 'host_pattern'
      ? { code, field, detail }
      : { code, field: source, detail: `${name}: ${detail}` },
  )
  return first ? new InputError([first, ...rest]) : cause
}
