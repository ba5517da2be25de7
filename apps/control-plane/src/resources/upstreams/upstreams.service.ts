import { ApiError } from '@apigate/errors'
import { newId, OutOfReachError, type Sealer } from '@apigate/platform'
import { Inject, Injectable } from '@nestjs/common'
import { auditEntry, AuditedWrites } from '../../audit/index.ts'
import type { Actor } from '../../auth/index.ts'
import type { ControlPlaneConfig } from '../../config.ts'
import { upstreamItem } from '../../config-publisher/index.ts'
import {
  existing,
  InputError,
  refuseChanges,
  rowFields,
  type Creation,
  type ListQuery,
  type Page,
  type Update,
  type Written,
} from '../../jsonapi/index.ts'
import type { Transaction } from '../../persistence/index.ts'
import { CONFIG, SEALER } from '../../settings.module.ts'
import { mergeCredentials } from './upstream-credentials.ts'
import type { UpstreamInput } from './upstreams.input.ts'
import { UpstreamsRepository, type UpstreamRow } from './upstreams.repository.ts'
import { upstreamResource } from './upstreams.resource.ts'

const lookUpMsMax = 3_000

@Injectable()
export class UpstreamsService {
  constructor(
    private readonly upstreams: UpstreamsRepository,
    private readonly writes: AuditedWrites,
    @Inject(SEALER) private readonly sealer: Sealer,
    @Inject(CONFIG) private readonly config: ControlPlaneConfig,
  ) {}

  async list(query: ListQuery): Promise<Page<UpstreamRow>> {
    return this.upstreams.list(query)
  }

  async get(id: string): Promise<UpstreamRow> {
    return existing(upstreamResource, id, await this.upstreams.find(id))
  }

  async create({ id, input }: Creation<UpstreamInput>, actor: Actor): Promise<Written<UpstreamRow>> {
    await this.checkReach(input)
    const credentials = mergeCredentials(input, undefined, this.sealer)
    return this.writes.run(actor, async (tx) => {
      const row = await this.upstreams.insert(tx, {
        ...{ id: id ?? newId('ups'), name: '', baseUrl: '' },
        ...{ ...columnsOf(input), ...credentials },
      })
      return { row, audit: [auditEntry(upstreamResource, 'create', null, row)], items: [upstreamItem(row)] }
    })
  }

  async update(id: string, update: Update<UpstreamInput>, actor: Actor): Promise<Written<UpstreamRow>> {
    const { input } = update
    await this.checkReach(input)
    return this.writes.run(actor, async (tx) => {
      const before = existing(upstreamResource, id, await this.upstreams.lock(tx, id))
      refuseChanges(upstreamResource, before, update)
      const row = await this.upstreams.update(tx, id, {
        ...columnsOf(input),
        ...mergeCredentials(input, before, this.sealer),
      })
      return { row, audit: [auditEntry(upstreamResource, 'update', before, row)], items: [upstreamItem(row)] }
    })
  }

  async delete(id: string, actor: Actor): Promise<Written<null>> {
    return this.writes.run(actor, async (tx) => {
      const before = existing(upstreamResource, id, await this.upstreams.lock(tx, id))
      const routes = await this.upstreams.countRoutes(tx, id)
      if (routes > 0) throw ApiError.of('conflict', `still used by ${routes} routes`)
      await this.upstreams.delete(tx, id)
      return {
        row: null,
        audit: [auditEntry(upstreamResource, 'delete', before, null)],
        items: [{ kind: 'upstream', op: 'delete', id }],
      }
    })
  }

  /** A name that cannot be looked up is no mistake yet: workers look again at each connection. */
  private async checkReach({ base_url, targets = [] }: UpstreamInput): Promise<void> {
    const { upstreamReach } = this.config
    if (upstreamReach === null) return
    const urls = targets.map(({ url }): [string, string] => ['targets', url])
    if (base_url !== undefined) urls.push(['base_url', base_url])
    const late = new Promise<void>((resolve) => setTimeout(resolve, lookUpMsMax).unref())
    const check = async ([name, url]: [string, string]): Promise<void> => {
      try {
        await Promise.race([upstreamReach.check(new URL(url)), late])
      } catch (error) {
        if (error instanceof OutOfReachError) throw InputError.of('validation_error', name, `${url}: ${error.message}`)
      }
    }
    await Promise.all(urls.map(check))
  }

  /** @throws InputError about `upstream_id` */
  async mustExist(tx: Transaction, id: string): Promise<void> {
    if ((await this.upstreams.find(id, tx)) !== null) return
    throw InputError.of('not_found', 'upstream_id', `there is no upstream "${id}"`)
  }
}

/** `auth_value` has no column of its own. */
function columnsOf(input: UpstreamInput) {
  const { authValue: _value, ...columns } = rowFields(input)
  return columns
}
