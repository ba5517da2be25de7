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
import { PlanInput } from './plans.input.ts'
import { planResource } from './plans.resource.ts'
import { PlansService } from './plans.service.ts'

const example = {
  ...{ id: 'plan_pro', name: 'Pro', description: 'For production workloads', price_monthly: 9900 },
  ...{ requests_per_month: 100_000, rate_limit_per_minute: 600, trial_days: 14 },
}

@Controller(planResource.path)
export class PlansController {
  constructor(private readonly plans: PlansService) {}

  @Get()
  async list(@FromListQuery(planResource) query: ListQuery): Promise<Answer> {
    return collectionAnswer(planResource, query, await this.plans.list(query))
  }

  @Get(':id')
  async get(@FromPath(planResource) id: string, @FromItemQuery(planResource) query: ItemQuery): Promise<Answer> {
    return resourceAnswer(planResource, query, await this.plans.get(id))
  }

  @Post()
  @Describe({ example })
  async create(
    @FromCreation(planResource, PlanInput) creation: Creation<PlanInput>,
    @FromWriteQuery(planResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return createdAnswer(planResource, query, await this.plans.create(creation, actor))
  }

  @Patch(':id')
  async update(
    @FromPath(planResource) id: string,
    @FromUpdate(planResource, PlanInput) update: Update<PlanInput>,
    @FromWriteQuery(planResource) query: ItemQuery,
    @CurrentActor() actor: Actor,
  ): Promise<Answer> {
    return updatedAnswer(planResource, query, await this.plans.update(id, update, actor))
  }

  @Delete(':id')
  async delete(@FromBarePath(planResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.plans.delete(id, actor))
  }
}
