import { isObject, Reference, Required, rule, Text } from '../jsonapi/index.ts'

const urlCharactersMax = 8_192
const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/
/** What Node lets a header hold (RFC 9110 §5.5). */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]{0,8192}$/

/** A request as a client would send it. */
export class ExplainInput {
  @Text({ max: 64, pattern: [token, 'must be an HTTP method'] }) method?: string
  @RequestUrl() @Required() url!: string
  @Headers() headers?: Record<string, string>
  /** Instead of a key among the headers. */
  @Reference({ nullable: true }) api_key_id?: string | null
  @Text({ max: 64, min: 1 }) worker?: string
}

/** Path and query stay as they are, for the worker to judge; what stands before them must be what a client can connect to. */
function RequestUrl(): PropertyDecorator {
  return rule(false, { type: 'string', minLength: 1, maxLength: urlCharactersMax }, (value) => {
    if (typeof value !== 'string') return 'must be text'
    if (value.trim() === '') return 'must not be empty'
    if (value.length > urlCharactersMax) return `must have at most ${urlCharactersMax} characters`
    const origin = /^([a-z][a-z0-9+.-]*):\/\/[^/?#]*/i.exec(value)
    if (origin === null) return null
    if (!/^(https?|wss?)$/i.test(origin[1] ?? '')) return 'must be of http, https, ws or wss'
    const url = URL.parse(origin[0])
    if (url === null) return 'has a host or port that there cannot be'
    return url.username === '' && url.password === '' ? null : 'must not have credentials'
  })
}

function Headers(): PropertyDecorator {
  return rule(false, { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 100 }, (value) => {
    if (!isObject(value)) return 'must be an object of names and values'
    const pairs = Object.entries(value)
    if (pairs.length > 100) return 'must have at most 100 names'
    const wrong = pairs.find(([name, text]) => !token.test(name) || typeof text !== 'string' || !fieldValue.test(text))
    return wrong ? `has a name or value that no header can have: ${JSON.stringify(wrong[0]).slice(0, 80)}` : null
  })
}
