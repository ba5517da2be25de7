/** What a route's transforms may speak of. */
export interface TransformScope {
  readonly side: 'request' | 'response'
  /** Names of the path pattern's `{name}`s; null when they are not known, because the pattern has problems of its own. */
  readonly params: readonly string[] | null
}

const plainVariables = [
  ...['uuid', 'timestamp', 'iso_time', 'client_ip', 'user_id', 'group_id', 'plan_id', 'plan_name', 'api_key_id'],
  ...['api_key_prefix', 'request_id', 'path', 'method', 'host'],
] as const
export type PlainVariable = (typeof plainVariables)[number]

/** Values for one exchange; undefined where there is none. */
export interface VariableSource {
  plain(name: PlainVariable): string | undefined
  header(lowerCaseName: string): string | undefined
  query(name: string): string | undefined
  param(name: string): string | undefined
}

/** Reads one variable. */
export type Variable = (source: VariableSource) => string | undefined

const headerToken = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/
/** Customers' keys stay here. */
const secretHeaders = ['x-api-key', 'proxy-authorization']

/** @returns a sentence for what is no variable. */
export function parseVariable(name: string, { params }: TransformScope): Variable | string {
  const plain = plainVariables.find((known) => known === name)
  if (plain !== undefined) return (source) => source.plain(plain)
  const dot = name.indexOf('.')
  const family = name.slice(0, dot)
  const member = name.slice(dot + 1)
  if (dot === -1 || member === '' || !['header', 'query', 'param'].includes(family)) {
    return `"${name}" is no variable; there are ${plainVariables.join(', ')}, header.NAME, query.NAME and param.NAME`
  }
  if (family === 'query') return (source) => source.query(member)
  if (family === 'param') {
    return params === null || params.includes(member)
      ? (source) => source.param(member)
      : `"${name}" is no variable: the path pattern does not name {${member}}`
  }
  const lower = member.toLowerCase()
  if (!headerToken.test(member)) return `"${name}" is no variable: no header has such a name`
  if (secretHeaders.includes(lower)) return `"${name}" is no variable: the key stays at the gateway`
  return (source) => source.header(lower)
}
