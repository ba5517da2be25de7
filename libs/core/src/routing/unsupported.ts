import type { RouteConfig } from '../model.ts'
import type { RouteProblem } from './compiled-route.ts'

/**
 * What the API knows and this version's proxy cannot run yet. Refusing it when it is written is honest; a route that
 * silently did less would not be. A capability that arrives deletes its line here.
 */
export function unsupportedProblems(route: RouteConfig): RouteProblem[] {
  const fields: [field: string, used: boolean][] = [
    ['request_transform', route.requestTransform !== null],
    ['response_transform', route.responseTransform !== null],
    ['metering_mode', route.meteringMode === 'response_field' || route.meteringMode === 'custom'],
    ['metering_expr', route.meteringExpr !== null],
  ]
  return fields.filter(([, used]) => used).map(([field]) => ({ field, message: 'is not supported by this version' }))
}
