import { ApiError } from '@apigate/errors'
import { newId } from '@apigate/platform'
import { Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites, type Effect } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import { planItem } from '../../config-publisher/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  rowFields,
  type Creation,
  type ListQuery,
  type Page,
  type Update,
  type RowFields,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { resourceEvent } from '../../webhook-outbox/index.ts'
import type { PlanInput } from './plans.input.ts'
import { PlansRepository, type PlanRow } from './plans.repository.ts'
import { planResource } from './plans.resource.ts'

@Injectable()
export class PlansService {
  constructor(
    private readonly plans: PlansRepository,
    private readonly writes: AuditedWrites,
  ) {}

  async list(query: ListQuery): Promise<Page<PlanRow>> {
    return this.plans.list(query)
  }

  async get(id: string): Promise<PlanRow> {
    return existing(planResource, id, await this.plans.find(id))
  }

  async create({ id, input }: Creation<PlanInput>, actor: Actor): Promise<Written<PlanRow>> {
    return this.writes.run(actor, (tx) => this.insert(tx, id, input))
  }

  /** Makes the plan unless there is one already, whichever: so that users can be made from the start. */
  async createFirst(input: PlanInput, actor: Actor): Promise<void> {
    await this.writes.run(actor, async (tx) => {
      await this.plans.lockDefault(tx)
      return (await this.plans.hasPlans(tx)) ? { row: null, audit: [], items: [] } : this.insert(tx, undefined, input)
    })
  }

  async update(id: string, update: Update<PlanInput>, actor: Actor): Promise<Written<PlanRow>> {
    const { input } = update
    return this.writes.run(actor, async (tx) => {
      if (input.is_default) await this.plans.lockDefault(tx)
      const before = existing(planResource, id, await this.plans.lock(tx, id))
      refuseChanges(planResource, before, update)
      if (before.isDefault && input.is_default === false) {
        throw InputError.of('conflict', 'is_default', 'one plan must be the default: set it on another instead')
      }
      if (before.isDefault && input.enabled === false) {
        throw InputError.of('conflict', 'enabled', 'the default plan must be enabled')
      }
      const fields = fieldsOf(input)
      const cleared = input.is_default && !before.isDefault ? await this.clearDefault(tx, { ...before, ...fields }) : []
      const row = await this.plans.update(tx, id, fields)
      return { row, ...effect([...cleared, { verb: 'update', before, after: row }]) }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(planResource, id, await this.plans.lock(tx, id))
      if (before.isDefault)
        throw ApiError.of('conflict', 'the default plan cannot be deleted: make another the default')
      const assigned = await this.plans.countAssigned(tx, id)
      if (assigned > 0) throw ApiError.of('conflict', `still the plan of ${assigned} users or groups`)
      await this.plans.delete(tx, id)
      return { row: null, ...effect([{ verb: 'delete', before, after: null }]) }
    })
  }

  /**
   * The plan to put someone on: the one named, or the default one.
   *
   * @throws InputError about `plan_id` when there is none such, or it is disabled.
   */
  async assignable(tx: Transaction, id: string | undefined): Promise<PlanRow> {
    if (id === undefined) await this.plans.keepDefault(tx)
    const plan = id === undefined ? await this.plans.findDefault(tx) : await this.plans.find(id, tx)
    if (plan === null) {
      if (id === undefined) throw InputError.of('validation_error', 'plan_id', 'is required: there is no default plan')
      throw InputError.of('not_found', 'plan_id', `there is no plan "${id}"`)
    }
    if (!plan.enabled) throw InputError.of('validation_error', 'plan_id', `the plan "${plan.id}" is disabled`)
    return plan
  }

  private async insert(tx: Transaction, id: string | undefined, input: PlanInput) {
    const fields = { id: id ?? newId('plan'), name: '', ...fieldsOf(input) }
    const cleared: PlanChange[] = []
    if (input.is_default) {
      await this.plans.lockDefault(tx)
      cleared.push(...(await this.clearDefault(tx, fields)))
    }
    // Who sells what goes beyond the quota wants it to go beyond.
    const quotaMode = input.quota_mode ?? ((input.overage_price ?? 0) > 0 ? 'soft' : 'hard')
    const row = await this.plans.insert(tx, { ...fields, quotaMode })
    return { row, ...effect([...cleared, { verb: 'create', before: null, after: row }]) }
  }

  /** Makes room for a new default plan. */
  private async clearDefault(tx: Transaction, next: { enabled?: boolean }): Promise<PlanChange[]> {
    if (next.enabled === false)
      throw InputError.of('validation_error', 'is_default', 'a disabled plan cannot be the default')
    const before = await this.plans.findDefault(tx)
    if (before === null) return []
    const row = await this.plans.update(tx, before.id, { isDefault: false })
    return [{ verb: 'update', before, after: row }]
  }
}

type PlanChange =
  | { verb: 'create' | 'update'; before: PlanRow | null; after: PlanRow }
  | { verb: 'delete'; before: PlanRow; after: null }

/** Every plan that changed is part of the revision, also one that only stopped being the default. */
function effect(changes: PlanChange[]): Omit<Effect<PlanRow>, 'row'> {
  return {
    audit: changes.map(({ verb, before, after }) => auditEntry(planResource, verb, before, after)),
    events: changes.map(({ before, after }) => resourceEvent('plan.changed', planResource, before, after)),
    items: changes.map(({ before, after }) =>
      after ? planItem(after) : { kind: 'plan', op: 'delete', id: before.id },
    ),
  }
}

function fieldsOf(input: PlanInput): RowFields<PlanInput> {
  const fields = rowFields(input)
  return fields.requestsPerMonth === -1 ? { ...fields, requestsPerMonth: 0 } : fields
}
