import type { RouteConfig } from '../model.ts'
import { compileRoute } from './compiled-route.ts'
import { anySegment } from './path-pattern.ts'

/**
 * Whether two routes, both enabled, match exactly the same requests at the same priority, so that only age decides
 * between them: worth a warning to who writes them. Spelling does not count (`/a` and `/a/*`, names of parameters, order
 * of methods and headers); regexes are the same only if their text is. Both routes must compile.
 */
export function sameRequests(a: RouteConfig, b: RouteConfig): boolean {
  return a.enabled && b.enabled && a.priority === b.priority && requestKey(a) === requestKey(b)
}

function requestKey(config: RouteConfig): string {
  const { host, path, headers } = compileRoute(config)
  const hostKey =
    host.kind === 'exact'
      ? host.host
      : host.kind === 'wildcard'
        ? host.suffix
        : host.kind === 'regex'
          ? host.pattern
          : ''
  const pathKey =
    path.kind === 'regex'
      ? config.pathPattern
      : [path.segments.map((segment) => (segment === anySegment ? null : segment)), path.partial]
  const headerKeys = headers.map((header) =>
    JSON.stringify([header.name, header.match, 'value' in header ? header.value : null]),
  )
  return JSON.stringify([
    host.kind,
    hostKey,
    path.kind,
    pathKey,
    [...new Set(config.methods)].toSorted(),
    [...new Set(headerKeys)].toSorted(),
  ])
}
