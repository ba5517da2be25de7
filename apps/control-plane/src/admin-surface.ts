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
    const url = adminPath(route.url)
    if (url === null) return
    // Fastify adds HEAD to every GET by itself.
    const methods = [route.method].flat().filter((method) => method !== 'HEAD' && !ownWays.has(`${method} ${url}`))
    if (methods.includes('PATCH')) methods.push('PUT')
    if (methods.length > 0) fastify.route({ ...(route as RouteOptions), url, method: methods })
  })
}

/** `/admin/keys/:id` for `/api/api-keys/:id`; null for what has no second path: services call `/api/v1`, not admins. */
function adminPath(url: string): string | null {
  const [, collection, rest = ''] = /^\/api\/([^/]+)(\/.*)?$/.exec(url) ?? []
  if (collection === undefined || collection === 'v1') return null
  return `/admin/${shortNames[collection] ?? collection}${rest}`
}
