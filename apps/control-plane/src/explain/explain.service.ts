import type { Explanation, ExplainRequest } from '@apigate/contracts'
import { ApiError } from '@apigate/errors'
import { Injectable } from '@nestjs/common'
import { FleetService } from '../fleet/index.ts'
import { InputError } from '../jsonapi/index.ts'
import { ApiKeysService } from '../resources/api-keys/index.ts'
import type { ExplainInput } from './explain.input.ts'

const answerMsMax = 5_000

@Injectable()
export class ExplainService {
  constructor(
    private readonly fleet: FleetService,
    private readonly keys: ApiKeysService,
  ) {}

  /**
   * Asks a live worker what it would do with a request: the one that is named, or one with the newest configuration.
   *
   * @throws InputError 404 about `worker` or `api_key_id`; ApiError 503 when no worker answers.
   */
  async explain(input: ExplainInput): Promise<Explanation> {
    if (input.api_key_id) await this.keys.mustExist(input.api_key_id)
    const request = requestOf(input)
    const workers = await this.fleet.workers()
    const named = workers.filter(({ id }) => id === (input.worker ?? id))
    const [newest] = named.toSorted(
      (a, b) => Number(b.ready) - Number(a.ready) || (b.revision ?? 0) - (a.revision ?? 0),
    )
    if (newest === undefined) {
      if (input.worker !== undefined) throw InputError.of('not_found', 'worker', `no worker "${input.worker}" is heard`)
      throw unavailable('no worker is heard')
    }
    try {
      return await this.fleet.explain(newest.id, request, answerMsMax)
    } catch {
      throw unavailable(`worker ${newest.id} does not answer`)
    }
  }
}

function unavailable(detail: string): ApiError {
  const { errors } = ApiError.of('service_unavailable', detail)
  return new ApiError(errors, { 'retry-after': '1' })
}

/** The URL is looked at no more than a client would: what the worker normalises must reach it as it was written. */
function requestOf({ method = 'GET', url, headers = {}, api_key_id }: ExplainInput): ExplainRequest {
  const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const [, authority, target = ''] = /^(?:[a-z]+:\/\/([^/?#]*))?([^#]*)/i.exec(url) ?? []
  return {
    v: 1,
    method,
    target: target.startsWith('/') ? target : `/${target}`,
    host: authority ?? sent['host'] ?? '',
    headers: sent,
    keyId: api_key_id ?? null,
    upgrade: sent['upgrade'] !== undefined,
  }
}
