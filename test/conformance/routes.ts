import { waitFor } from '@apigate/testing'
import type { RunningSystem } from '../e2e/system.ts'

/** A public route as the admin API takes it, with its upstream. */
export interface WantedRoute {
  path_pattern: string
  upstream: { base_url: string; timeout_ms?: number }
  [attribute: string]: unknown
}

export class RefusedRoute extends Error {}

export interface PutRoutes {
  /** Takes them away again, when the worker has heard of it. */
  remove(): Promise<void>
}

/**
 * Writes routes by the admin API and waits until the worker serves them.
 * @throws RefusedRoute with what the API said; what was written before is taken away.
 */
export async function putRoutes(system: RunningSystem, wanted: readonly WantedRoute[]): Promise<PutRoutes> {
  const created: string[] = []
  const upstreams = new Map<string, string>()
  let revision = 0
  const write = async (method: string, path: string, attributes?: object): Promise<string> => {
    const { status, headers, document } = await system.admin(method, path, attributes)
    if (status >= 300) {
      const errors = (document?.errors ?? []).map((error: any) => `${error.source?.pointer ?? ''} ${error.detail}`)
      throw new RefusedRoute(`${method} ${path}: ${status} ${errors.join('; ')}`)
    }
    revision = Number(headers.get('x-config-revision'))
    return document?.data?.id ?? ''
  }
  const applied = async (): Promise<void> => {
    await waitFor(
      async () => ((await (await fetch(`${system.statusUrl}/status`)).json()) as any).revision >= revision,
      {
        timeoutMs: 10_000,
        what: `revision ${revision}`,
      },
    )
  }
  const remove = async (): Promise<void> => {
    for (const path of created.toReversed()) await write('DELETE', path)
    await applied()
  }
  try {
    for (const { upstream, ...attributes } of wanted) {
      const known = JSON.stringify(upstream)
      let id = upstreams.get(known)
      if (id === undefined) {
        id = await write('POST', '/api/upstreams', { name: `conformance ${upstreams.size}`, ...upstream })
        created.push(`/api/upstreams/${id}`)
        upstreams.set(known, id)
      }
      const name = `conformance ${created.length}`
      const route = { name, auth_required: false, ...attributes, upstream_id: id }
      created.push(`/api/routes/${await write('POST', '/api/routes', route)}`)
    }
    await applied()
  } catch (error) {
    await remove()
    throw error
  }
  return { remove }
}
