import { Body, Controller, Delete, Get, Inject, Patch, Post, Req, type Type } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import { CurrentActor, type Actor } from '../auth/index.ts'
import { collectionAnswer, deletedAnswer, linkagePageAnswer, type Answer } from './answer.ts'
import { readLinkages } from './body.ts'
import { inverseField, type ResourceDefinition, type Row, type ToMany } from './definition.ts'
import { Noted } from './endpoint.note.ts'
import type { Page } from './page.ts'
import { FromBarePath, FromPath } from './parameters.ts'
import { readLinkageQuery, readListQuery, type ListQuery } from './query.ts'
import type { RelationshipReader } from './relationship.controller.ts'

/** The service of the related resources. */
export interface ToManyReader {
  list(query: ListQuery): Promise<Page<Row>>
}

export interface ToManyWriter {
  /** Makes them related; what is so already stays. @throws InputError 404 about `id` for one that is not there. */
  add(parentId: string, ids: readonly string[], actor: Actor): Promise<{ revision: bigint }>
  /** Makes them unrelated; what is so already stays. */
  remove(parentId: string, ids: readonly string[], actor: Actor): Promise<{ revision: bigint }>
}

/**
 * A controller for what the links of a to-many relationship point at: `/{id}/members`, which is the collection of the target
 * restricted to this parent, and `/{id}/relationships/members`. Without a `Writer` the linkage is read-only: 403.
 */
export function toManyEndpoints(
  definition: ResourceDefinition,
  name: string,
  Service: Type<RelationshipReader>,
  Target: Type<ToManyReader>,
  Writer?: Type<ToManyWriter>,
): Type {
  const many = toManyNamed(definition, name)

  @Controller(definition.path)
  class ToManyEndpoints {
    constructor(
      @Inject(Service) private readonly service: RelationshipReader,
      @Inject(Target) private readonly target: ToManyReader,
      @Inject(Writer ?? Target) private readonly writer: ToManyWriter,
    ) {}

    @Get(`:id/${name}`)
    @Noted({ kind: 'list', definition: many.target() })
    async related(@FromPath(definition) id: string, @Req() request: FastifyRequest): Promise<Answer> {
      const query = readListQuery(many.target(), request.url)
      const parent = await this.service.get(id, null)
      return collectionAnswer(many.target(), query, await this.target.list(ofParent(many, parent, query)))
    }

    @Get(`:id/relationships/${name}`)
    @Noted({ kind: 'manyLinkage', definition, many })
    async linkage(@FromPath(definition) id: string, @Req() request: FastifyRequest): Promise<Answer> {
      const query = readLinkageQuery(many.target(), request.url)
      const parent = await this.service.get(id, null)
      return linkagePageAnswer(definition, many, parent, query, await this.target.list(ofParent(many, parent, query)))
    }

    @Post(`:id/relationships/${name}`)
    @Noted({ kind: 'manyChange', definition, many })
    async add(
      @FromBarePath(definition) id: string,
      @Body() body: unknown,
      @CurrentActor() actor: Actor,
    ): Promise<Answer> {
      await this.mustBeWritable(id)
      return deletedAnswer(await this.writer.add(id, readLinkages(many.target(), body), actor))
    }

    @Delete(`:id/relationships/${name}`)
    @Noted({ kind: 'manyChange', definition, many })
    async remove(
      @FromBarePath(definition) id: string,
      @Body() body: unknown,
      @CurrentActor() actor: Actor,
    ): Promise<Answer> {
      await this.mustBeWritable(id)
      return deletedAnswer(await this.writer.remove(id, readLinkages(many.target(), body), actor))
    }

    @Patch(`:id/relationships/${name}`)
    @Noted({ kind: 'manyChange', definition, many })
    async replace(@FromBarePath(definition) id: string): Promise<Answer> {
      await this.service.get(id, null)
      throw refused(`${name} is not replaced as a whole`)
    }

    private async mustBeWritable(id: string): Promise<void> {
      await this.service.get(id, null)
      if (!Writer) throw refused(`${name} cannot be set`)
    }
  }
  return ToManyEndpoints
}

/** The collection of the target, as the query asks, restricted to one parent. */
function ofParent(many: ToMany, parent: Row, query: ListQuery): ListQuery {
  const term = { field: inverseField(many), operator: 'eq', values: [parent.id], nullable: false } as const
  return { ...query, filters: [...query.filters, term] }
}

function toManyNamed(definition: ResourceDefinition, name: string): ToMany {
  const many = definition.toMany.get(name)
  if (!many) throw new Error(`${definition.type} has no to-many relationship "${name}"`)
  return many
}

function refused(detail: string): ApiError {
  return ApiError.of('forbidden', detail)
}
