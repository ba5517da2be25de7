import { isObject, rule } from '../../jsonapi/index.ts'

/** As a client writes them; what is left out has a default. */
export type TargetInput = {
  url: string
  /** 1 by default. */
  weight?: number
}

export type HealthCheckInput = {
  path?: string
  interval_ms?: number
  unhealthy_after?: number
  healthy_after?: number
}

const targetsMax = 100
const weightMax = 1_000
const bounds = {
  interval_ms: [100, 3_600_000],
  unhealthy_after: [1, 100],
  healthy_after: [1, 100],
} as const

const integer = ([minimum, maximum]: readonly [number, number]): object => ({ type: 'integer', minimum, maximum })

export function Targets(): PropertyDecorator {
  const url = { type: 'string', maxLength: 2000, pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^?#]+$' }
  const items = {
    type: 'object',
    properties: { url, weight: integer([0, weightMax]) },
    required: ['url'],
    additionalProperties: false,
  }
  return rule(false, { type: 'array', items, maxItems: targetsMax }, (value) => {
    if (!Array.isArray(value)) return 'must be a list of {"url", "weight"}'
    if (value.length > targetsMax) return `must have at most ${targetsMax} entries`
    return asText(targetProblems(value))
  })
}

export function HealthCheck(): PropertyDecorator {
  const properties = {
    path: { type: 'string', maxLength: 2000, pattern: '^/' },
    ...Object.fromEntries(Object.entries(bounds).map(([name, bound]) => [name, integer(bound)])),
  }
  return rule(true, { type: 'object', properties, additionalProperties: false }, (value) =>
    isObject(value) ? asText(Object.entries(value).flatMap(checkProblem)) : 'must be an object or null',
  )
}

/** What is wrong with the URL of a server, or null. */
export function urlProblem(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 2000) return 'must be a URL of at most 2000 characters'
  if (!/^https?:\/\/[^\s\\]+$/i.test(value) || !URL.canParse(value)) return 'must be an http:// or https:// URL'
  const url = new URL(value)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials: use auth_type and auth_value'
  return /[?#]/.test(value) ? 'must not have a query or a fragment' : null
}

function targetProblems(targets: readonly unknown[]): string[] {
  const problems: string[] = []
  const known = new Set<string>()
  let weights = 0
  for (const [i, target] of targets.entries()) {
    if (!isObject(target)) {
      problems.push(`/${i} must be {"url", "weight"}`)
      continue
    }
    const { url, weight = 1, ...others } = target
    if (Object.keys(others).length > 0) problems.push(`/${i} has nothing but "url" and "weight"`)
    const wrong = urlProblem(url) ?? placeProblem(new URL(url as string), known)
    if (wrong !== null) problems.push(`/${i}/url ${wrong}`)
    if (isWhole(weight, 0, weightMax)) weights += weight
    else problems.push(`/${i}/weight must be a whole number from 0 to ${weightMax}`)
  }
  if (targets.length > 0 && problems.length === 0 && weights === 0) problems.push('must not all have the weight 0')
  return problems
}

function placeProblem({ origin, pathname }: URL, known: Set<string>): string | null {
  if (pathname !== '/') return 'must not have a path: that of base_url counts for all targets'
  if (known.has(origin)) return 'is there twice: give it a higher weight'
  known.add(origin)
  return null
}

function checkProblem([name, value]: [string, unknown]): string[] {
  if (name === 'path') {
    const isPath = typeof value === 'string' && value.length <= 2000 && /^\/[\x21-\x22\x24-\x7e]*$/.test(value)
    return isPath ? [] : ['/path must be a path as in /health, percent-encoded where it needs be']
  }
  if (!Object.hasOwn(bounds, name)) return [`has nothing but "path", "${Object.keys(bounds).join('", "')}"`]
  const [min, max] = bounds[name as keyof typeof bounds]
  return isWhole(value, min, max) ? [] : [`/${name} must be a whole number from ${min} to ${max}`]
}

function asText(problems: readonly string[]): string | null {
  return problems.length === 0 ? null : problems.join('\n')
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}
