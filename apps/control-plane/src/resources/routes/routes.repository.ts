import { Injectable } from '@nestjs/common'
import type { IncludeTree, ListQuery, Page, RowFields } from '../../jsonapi/index.ts'
import { Prisma, type Route } from '../../persistence/generated/client.ts'
import { Database, readPage, readRow, type Transaction } from '../../persistence/index.ts'
import type { RouteInput } from './routes.input.ts'
import { routeResource } from './routes.resource.ts'

export type RouteRow = Route
/** The columns that a client writes, with the host's match type as it is stored. */
export type RouteColumns = Omit<RowFields<RouteInput>, 'hostMatchType'> & Pick<Partial<RouteRow>, 'hostMatchType'>

@Injectable()
export class RoutesRepository {
  constructor(private readonly database: Database) {}

  async list(query: ListQuery): Promise<Page<RouteRow>> {
    return readPage(this.database.prisma, routeResource, query)
  }

  async find(id: string, include: IncludeTree | null = null): Promise<RouteRow | null> {
    return readRow(this.database.prisma, routeResource, id, include)
  }

  /** The row, kept from changing until the transaction ends. */
  async lock(tx: Transaction, id: string): Promise<RouteRow | null> {
    await tx.$queryRaw`SELECT 1 FROM routes WHERE id = ${id} FOR UPDATE`
    return tx.route.findUnique({ where: { id } })
  }

  async insert(tx: Transaction, row: RouteRow): Promise<RouteRow> {
    return tx.route.create({ data: { ...row, ...json(row) } })
  }

  async update(tx: Transaction, id: string, columns: RouteColumns): Promise<RouteRow> {
    return tx.route.update({ where: { id }, data: { ...columns, ...json(columns) } })
  }

  async delete(tx: Transaction, id: string): Promise<void> {
    await tx.route.delete({ where: { id } })
  }

  /** Other enabled routes of the same priority that may take the same requests, oldest first; few of thousands. */
  async findRivals({ id, priority, matchType, hostMatchType, pathPattern }: RouteRow): Promise<RouteRow[]> {
    const { rows } = await this.database.pool.query<{ id: string }>({
      ...rivalsStatement,
      values: [id, priority, matchType, hostMatchType, pathPattern],
    })
    if (rows.length === 0) return []
    return this.database.prisma.route.findMany({
      where: { id: { in: rows.map((row) => row.id) } },
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    })
  }
}

/** Spelt in percent-encoding or beyond ASCII: a path that is written another way may be the same. */
const isSpelt = (path: string): string => `octet_length(${path}) <> length(${path}) OR strpos(${path}, '%') > 0`
/** Equal where paths are that are not spelt so: what stands before the first {name}, without the end that a prefix may have. */
const beginning = (path: string): string => `rtrim(split_part(${path}, '{', 1), '/*')`

const rivalsStatement = {
  name: 'find-route-rivals',
  text: `SELECT id FROM routes
    WHERE enabled AND priority = $2 AND match_type::text = $3::text AND host_match_type::text IS NOT DISTINCT FROM $4::text
      AND id <> $1
      AND (${beginning('path_pattern')} = ${beginning('$5::text')} OR ${isSpelt('path_pattern')} OR ${isSpelt('$5::text')})`,
}

type JsonColumns = Partial<Record<'headers' | 'requestTransform' | 'responseTransform', unknown>>

/** Prisma writes SQL NULL into a JSON column by a name of its own; undefined leaves the column alone. */
function json({ headers, requestTransform, responseTransform }: JsonColumns) {
  return {
    headers: headers as Prisma.InputJsonValue | undefined,
    requestTransform: nullable(requestTransform),
    responseTransform: nullable(responseTransform),
  }
}

function nullable(value: unknown) {
  return value === null ? Prisma.DbNull : (value as Prisma.InputJsonValue | undefined)
}
