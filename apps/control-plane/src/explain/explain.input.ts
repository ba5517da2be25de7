import { isObject, Reference, Required, rule, Text } from '../jsonapi/index.ts'

const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/
/** What Node lets a header hold (RFC 9110 §5.5). */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]{0,8192}$/

/** A request as a client would send it. */
export class ExplainInput {
  @Text({ max: 64, pattern: [token, 'must be an HTTP method'] }) method?: string
  @Text({ max: 8_192, min: 1 }) @Required() url!: string
  @Headers() headers?: Record<string, string>
  /** Instead of a key among the headers. */
  @Reference({ nullable: true }) api_key_id?: string | null
  @Text({ max: 64, min: 1 }) worker?: string
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
