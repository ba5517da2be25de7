import { Controller, Delete, Get, Patch, Post } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import {
  collectionAnswer,
  createdAnswer,
  deletedAnswer,
  Describe,
  FromBarePath,
  FromCreation,
  FromItemQuery,
  FromListQuery,
  FromPath,
  FromUpdate,
  FromWriteQuery,
  resourceAnswer,
  updatedAnswer,
  type Answer,
  type Creation,
  type ItemQuery,
  type ListQuery,
  type Update,
} from '../../jsonapi/index.ts'
import { RouteInput } from './routes.input.ts'
import { routeResource } from './routes.resource.ts'
import { RoutesService } from './routes.service.ts'

const example = {
  ...{ name: 'users-api', host_pattern: 'api.example.com', path_pattern: '/api/v1/users/*', path_rewrite: '/users/$1' },
  ...{ methods: ['GET', 'POST'], priority: 100, upstream_id: 'ups_abc123' },
}

@Controller(routeResource.path)
export class RoutesController {
  constructor(private readonly routes: RoutesService) {}

  @Get()
  async list(@FromListQuery(routeResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(routeResource, query, await this.routes.list(query))
  }

  @Get(':id')
  async get(@FromPath(routeResource) id: string, @FromItemQuery(routeResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(routeResource, query, await this.routes.get(id, query.include))
  }

  @Post()
  @Describe({ example })
  async create(
    @FromCreation(routeResource, RouteInput) creation: Creation<RouteInput>,
    @FromWriteQuery(routeResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const written = await this.routes.create(creation, actor)
    return warned(createdAnswer(routeResource, query, written), await this.routes.warnings(written.row))
  }

  @Patch(':id')
  async update(
    @FromPath(routeResource) id: string,
    @FromUpdate(routeResource, RouteInput) update: Update<RouteInput>,
    @FromWriteQuery(routeResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    const written = await this.routes.update(id, update, actor)
    return warned(updatedAnswer(routeResource, query, written), await this.routes.warnings(written.row))
  }

  @Delete(':id')
  async delete(@FromBarePath(routeResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.routes.delete(id, actor))
  }
}

function warned(answer: Answer, warnings: string[]): Answer {
  if (answer.document === null || warnings.length === 0) return answer
  return { ...answer, document: { ...answer.document, meta: { warnings } } }
}
