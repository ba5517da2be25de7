import type { FastifyInstance, RouteOptions } from 'fastify'

/** Collections that have a shorter name under `/admin`. */
const shortNames: Readonly<Record<string, string>> = { 'api-keys': 'keys', 'usage-events': 'usage' }
/** What `/admin` does in a way of its own, by a controller; not to be mounted. */
const ownWays: ReadonlySet<string> = new Set(['DELETE /admin/keys/:id'])

/**
 * Mounts `/admin` beside `/api`: the same handlers at the paths of the second surface, where an update may also come as PUT.
 * Call before the controllers' routes are registered.
 */
export function mountAdminSurface(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    const mount = adminMount([route.method].flat(), route.url)
    if (mount) fastify.route({ ...(route as RouteOptions), ...mount })
  })
}

/** The place under `/admin` that answers as this one does, and to which methods; null if there is none. */
export function adminMount(methods: readonly string[], path: string): { method: string[]; url: string } | null {
  const url = adminPath(path)
  if (url === null) return null
  // Fastify adds HEAD to every GET by itself.
  const method = methods.filter((name) => name !== 'HEAD' && !ownWays.has(`${name} ${url}`))
  if (method.includes('PATCH')) method.push('PUT')
  return method.length > 0 ? { method, url } : null
}

/** `/admin/keys/:id` for `/api/api-keys/:id`; null for what has no second path: services call `/api/v1`, not admins. */
function adminPath(url: string): string | null {
  const [, collection, rest = ''] = /^\/api\/([^/]+)(\/.*)?$/.exec(url) ?? []
  if (collection === undefined || collection === 'v1') return null
  return `/admin/${shortNames[collection] ?? collection}${rest}`
}
