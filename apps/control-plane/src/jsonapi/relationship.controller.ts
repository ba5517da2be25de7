import { Body, Controller, Get, Inject, Param, Patch, Req, type Type } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyRequest } from 'fastify'
import { CurrentActor, type Actor } from '../auth/index.ts'
import { linkageAnswer, relatedAnswer, revisionHeader, type Answer, type Written } from './answer.ts'
import { readLinkage } from './body.ts'
import { valueOf, type Relationship, type ResourceDefinition, type Row } from './definition.ts'
import type { IncludeTree } from './document.ts'
import { Noted } from './endpoint.note.ts'
import { InputError } from './input.error.ts'
import type { InputClass, Update } from './input.ts'
import { FromBarePath, FromPath } from './parameters.ts'
import { readItemQuery } from './query.ts'

export interface RelationshipReader {
  /** @throws ApiError 404 */
  get(id: string, include: IncludeTree | null): Promise<Row>
}

export interface RelationshipWriter<T> extends RelationshipReader {
  update(id: string, update: Update<T>, actor: Actor): Promise<Written<Row>>
}

/** A controller for what the relationship links of a resource point at: `/{id}/plan` and `/{id}/relationships/plan`. */
export function relationshipReads(definition: ResourceDefinition, Service: Type<RelationshipReader>): Type {
  @Controller(definition.path)
  class RelationshipReads {
    constructor(@Inject(Service) private readonly service: RelationshipReader) {}

    @Get(':id/:relationship')
    @Noted({ kind: 'related', definition })
    async related(
      @FromPath(definition) id: string,
      @Param('relationship') name: string,
      @Req() request: FastifyRequest,
    ): Promise<Answer> {
      const { field, target } = relationshipNamed(definition, name)
      const query = readItemQuery(target(), request.url)
      const row = await this.service.get(id, new Map([[name, query.include ?? new Map()]]))
      return relatedAnswer(target(), query, (valueOf(row, field) as Row | null | undefined) ?? null)
    }

    @Get(':id/relationships/:relationship')
    @Noted({ kind: 'linkage', definition })
    async linkage(@FromBarePath(definition) id: string, @Param('relationship') name: string): Promise<Answer> {
      const relationship = relationshipNamed(definition, name)
      return linkageAnswer(definition, relationship, await this.service.get(id, null))
    }
  }
  return RelationshipReads
}

/** `PATCH /{id}/relationships/plan`, as an update of the resource with `plan_id`. */
export function relationshipWrites<T extends object>(
  definition: ResourceDefinition,
  Service: Type<RelationshipWriter<T>>,
  Input: InputClass<T>,
): Type {
  @Controller(definition.path)
  class RelationshipWrites {
    constructor(@Inject(Service) private readonly service: RelationshipWriter<T>) {}

    @Patch(':id/relationships/:relationship')
    @Noted({ kind: 'replacement', definition })
    async update(
      @FromBarePath(definition) id: string,
      @Param('relationship') name: string,
      @Body() body: unknown,
      @CurrentActor() actor: Actor,
    ): Promise<Answer> {
      const relationship = relationshipNamed(definition, name)
      const { row, revision } = await this.service.update(id, readLinkageUpdate(relationship, Input, body), actor)
      return { ...linkageAnswer(definition, relationship, row), headers: revisionHeader(revision) }
    }
  }
  return RelationshipWrites
}

/** The update of a resource that the body of its to-one relationship's update stands for. */
export function readLinkageUpdate<T extends object>(
  { name, target }: Relationship,
  Input: InputClass<T>,
  body: unknown,
): Update<T> {
  const linked = readLinkage(target(), body)
  if (linked === null) throw InputError.of('validation_error', `${name}_id`, `${name} cannot be removed, only replaced`)
  return { input: Object.assign(new Input(), { [`${name}_id`]: linked }), readOnly: new Map() }
}

function relationshipNamed(definition: ResourceDefinition, name: string): Relationship {
  const relationship = definition.relationships.get(name)
  if (!relationship) throw ApiError.of('not_found', `${definition.type} has no relationship "${name}"`)
  return relationship
}
