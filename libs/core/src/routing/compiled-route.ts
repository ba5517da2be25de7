import { compileMeter, type Meter } from '../metering/index.ts'
import type { RouteConfig } from '../model.ts'
import { compileTransform, type Transform, type TransformScope } from '../transforms/index.ts'
import {
  headerMatches,
  parseHeaderName,
  parseHeaderValue,
  type CompiledHeader,
  type HeaderLookup,
} from './header-condition.ts'
import { parseHostPattern, type HostPattern } from './host-pattern.ts'
import { parsePathPattern, type PathPattern } from './path-pattern.ts'
import { parseRewrite, type RewritePart } from './path-rewrite.ts'
import { PatternError } from './pattern-error.ts'

/**
 * One reason why a route cannot be compiled. `field` is the API attribute, with the path into it (`headers/0/value`), whose
 * parts are escaped as RFC 6901 §3 says.
 */
export interface RouteProblem {
  field: string
  message: string
}

export class RouteCompileError extends Error {
  override readonly name = 'RouteCompileError'
  readonly routeId: string
  readonly problems: readonly RouteProblem[]

  constructor(routeId: string, problems: readonly RouteProblem[]) {
    super(`route ${routeId}: ${problems.map(({ field, message }) => `${field} ${message}`).join('; ')}`)
    this.routeId = routeId
    this.problems = problems
  }
}

/** A route ready to be matched. */
export interface CompiledRoute {
  readonly config: RouteConfig
  readonly host: HostPattern
  readonly path: PathPattern
  readonly headers: readonly CompiledHeader[]
  /** False when any method and any headers will do, which spares most routes the check. */
  readonly conditional: boolean
  /** Empty = all. One list for all routes with the same ones: there is less to fetch into the processor's cache, and to keep. */
  readonly methods: readonly string[]
  /** Null: the matched path goes on unchanged. */
  readonly rewrite: readonly RewritePart[] | null
  readonly meter: Meter
  /** Null: nothing is changed. */
  readonly requestTransform: Transform | null
  readonly responseTransform: Transform | null
}

const headerConditionsMax = 32
const methodToken = /^[A-Z0-9!#$%&'*+.^_`|~-]{1,64}$/

/**
 * Everything about the route that a worker could not compile or run; empty = good. The control plane asks before it
 * writes, so that no worker ever meets such a route.
 */
export function routeProblems(route: RouteConfig): RouteProblem[] {
  const compiled = compile(route)
  return Array.isArray(compiled) ? compiled : []
}

/** @throws RouteCompileError */
export function compileRoute(route: RouteConfig): CompiledRoute {
  const compiled = compile(route)
  if (Array.isArray(compiled)) throw new RouteCompileError(route.id, compiled)
  return compiled
}

function compile(route: RouteConfig): CompiledRoute | RouteProblem[] {
  const problems: RouteProblem[] = []
  const attempt = <T>(field: string, parse: () => T): T | undefined => {
    try {
      return parse()
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
      problems.push({ field, message: error.message })
      return undefined
    }
  }
  const host = attempt('host_pattern', () => parseHostPattern(route.hostPattern, route.hostMatch))
  const path = attempt('path_pattern', () => parsePathPattern(route.pathPattern, route.pathMatch))
  route.methods.forEach((method, i) => attempt(`methods/${i}`, () => checkMethod(method)))
  if (route.headers.length > headerConditionsMax) {
    problems.push({ field: 'headers', message: `has more than ${headerConditionsMax} conditions` })
  }
  const headers = route.headers.map((condition, i) => {
    attempt(`headers/${i}/name`, () => parseHeaderName(condition.name))
    return attempt(`headers/${i}/value`, () => parseHeaderValue(condition))
  })
  const { pathRewrite, methodOverride } = route
  const rewrite =
    pathRewrite === null || path === undefined ? null : attempt('path_rewrite', () => parseRewrite(pathRewrite, path))
  if (methodOverride !== null) attempt('method_override', () => checkMethodOverride(methodOverride))
  const meter = compileMeter(route)
  if ('field' in meter) problems.push(meter)
  const transformed = (field: string, value: unknown, side: TransformScope['side']): Transform | null => {
    const scope = { side, params: path?.params ?? null }
    const compiled = compileTransform(value, scope, route.protocol)
    for (const problem of compiled.problems)
      problems.push({ field: problem.field === '' ? field : `${field}/${problem.field}`, message: problem.message })
    return compiled.transform
  }
  const requestTransform = transformed('request_transform', route.requestTransform, 'request')
  const responseTransform = transformed('response_transform', route.responseTransform, 'response')
  if (problems.length > 0 || 'field' in meter || host === undefined || path === undefined || rewrite === undefined)
    return problems
  return {
    config: route,
    host,
    path,
    headers: headers.filter((header) => header !== undefined),
    conditional: route.methods.length > 0 || headers.length > 0,
    methods: sharedMethods(route.methods),
    rewrite,
    meter,
    requestTransform,
    responseTransform,
  }
}

const methodLists = new Map<string, readonly string[]>()
const methodListsMax = 1_000

function sharedMethods(methods: readonly string[]): readonly string[] {
  const name = methods.join()
  const known = methodLists.get(name)
  if (known !== undefined) return known
  if (methodLists.size < methodListsMax) methodLists.set(name, methods)
  return methods
}

function checkMethod(method: string): void {
  if (!methodToken.test(method)) throw new PatternError('is not an upper-case HTTP method')
}

function checkMethodOverride(method: string): void {
  checkMethod(method)
  if (method === 'CONNECT') throw new PatternError('must not be CONNECT, which asks for a tunnel, not for a resource')
}

/** Whether method and headers of a request whose host and path match are the route's as well. */
export function conditionsMatch(route: CompiledRoute, method: string, header: HeaderLookup): boolean {
  if (!route.conditional) return true
  const { methods } = route
  if (methods.length > 0 && !methods.includes(method)) return false
  for (const condition of route.headers) if (!headerMatches(condition, header)) return false
  return true
}
