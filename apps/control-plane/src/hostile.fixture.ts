import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { inputSchemas, mediaType } from './jsonapi/index.ts'
import type { Endpoint } from './openapi/index.ts'

/** Values as they stand in JSON, some of which only a raw text can have. */
const values = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1',
    '-1',
    '0.5',
    '2147483648',
    '9007199254740993',
    '1e308',
    '1e400',
    '-1e400',
  ],
  ...['""', '" "', '"x"', '"__proto__"', '"constructor"'],
  ...['{}', '[]', '[[]]', '[null]', '{"constructor":{"prototype":{"x":1}}}', '{"toString":1}'],
  ...[
    '"%00"',
    '"../../etc/passwd"',
    '"\'; DROP TABLE users; --"',
    '"<script>"',
    '"\\u202e\\ufeff"',
    '"\\ud83d\\ude00"',
  ],
  ...['"0000-00-00T00:00:00Z"', '"9999-12-31T23:59:60Z"', '"+275760-09-13T00:00:00Z"', '"2026-02-30"', '"now"'],
  ...[
    '"usr_h"',
    '"plan_h"',
    '"key_h"',
    '"ups_h"',
    '"rte_h"',
    '"usr_none"',
    '"http://"',
    '"http://[::1"',
    '"https://a@b/?c#d"',
  ],
  ...[
    '"h@example.com"',
    '"H@EXAMPLE.COM"',
    '"a@b"',
    '"(a+)+$"',
    '"((((("',
    '"[z-a]"',
    '"\\\\1"',
    '"a{1,99999999}"',
    '"*."',
  ],
  ...[
    '["GET","GET"]',
    '["G E T"]',
    '[{"name":""}]',
    '[{"name":"a","match":"regex","value":"("}]',
    '{"headers":{"set":[]}}',
  ],
  ...['"active"', '"suspended"', '"hard"', '"exact"', '"regex"', '"bearer"', '"custom"', '["admin:write"]', '["*"]'],
  `"${'x'.repeat(300)}"`,
  `"${'x'.repeat(70_000)}"`,
  `[${'1,'.repeat(5000)}1]`,
  '['.repeat(50) + ']'.repeat(50),
  '{"a":'.repeat(70) + '1' + '}'.repeat(70),
]
/** The reader of JSON refuses those before anything else is looked at. */
const unreadable = [
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '{"__proto__":{"x":1}}',
  '[1,]',
  '01',
  'NaN',
]
const value = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...unreadable) },
  { weight: 60, arbitrary: fc.constantFrom(...values) },
  { weight: 6, arbitrary: fc.json({ maxDepth: 3 }) },
)
const members = (names: string[]): fc.Arbitrary<string> =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6, selector: ([name]) => name })
    .map((pairs) => `{${pairs.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`)

const generalNames = [
  'id',
  'type',
  'data',
  'attributes',
  '__proto__',
  'constructor',
  '',
  'nope',
  'a\u0000',
  'created_at',
]
const identifier = (type: string): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(`"${type}"`, ...values.slice(0, 8)), value).map(([of, id]) => `{"type":${of},"id":${id}}`)

/** A body that looks like one for this endpoint, as text. */
function bodyFor({ notes, path }: Endpoint): fc.Arbitrary<string> {
  const sent = notes.find((note) => note.kind === 'creation' || note.kind === 'update')
  const definition = notes.find((note) => 'definition' in note)
  const type = (definition && 'definition' in definition ? definition.definition.type : null) ?? 'sessions'
  const names =
    sent && 'Input' in sent ? [...inputSchemas(sent.Input).schemas.keys()] : ['email', 'password', 'op', 'ref']
  const attributes = members([...names, ...names, ...names, ...names, ...generalNames])
  const document = fc
    .tuple(
      fc.constantFrom(`"${type}"`, `"${type}"`, `"${type}"`, '7', '"nope"'),
      attributes,
      value,
      identifier('plans'),
      fc.nat(9),
    )
    .map(([of, fields, id, linkage, shape]) => {
      const relationships = `"relationships":{"plan":{"data":${linkage}},"user":${id}}`
      const parts = [
        `"type":${of}`,
        `"attributes":${fields}`,
        ...(shape > 6 ? [`"id":${id}`] : []),
        ...(shape > 8 ? [relationships] : []),
      ]
      return `{"data":{${parts.join(',')}}}`
    })
  const operations = fc
    .array(fc.tuple(fc.constantFrom('"add"', '"update"', '"remove"', '"nope"', '7'), document, identifier(type)), {
      maxLength: 4,
    })
    .map(
      (all) =>
        `{"atomic:operations":[${all.map(([op, data, target]) => `{"op":${op},"ref":${target},${data.slice(1)}`).join(',')}]}`,
    )
  const linkage = fc
    .oneof(
      identifier(type),
      fc.array(identifier(type)).map((all) => `[${all.join(',')}]`),
    )
    .map((data) => `{"data":${data}}`)
  const fitting = path.includes('/relationships/')
    ? linkage
    : path.includes('operations')
      ? operations
      : fc.oneof(attributes, document)
  return fc.oneof({ weight: 8, arbitrary: fitting }, { weight: 1, arbitrary: value }, { weight: 1, arbitrary: linkage })
}

/** What can happen to a text on its way to bytes. */
const gzipped = (text: string): Uint8Array => gzipSync(text)
const damages: ((text: string, at: number) => string | Uint8Array)[] = [
  (text, at) => text.slice(0, at % (text.length + 1)),
  (text) => `\ufeff${text}`,
  (text) => Buffer.from(text, 'utf16le'),
  (text, at) =>
    Buffer.concat([Buffer.from(text).subarray(0, at), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from(text).subarray(at)]),
  (text) => text.replace('{', '{"name":1,"name":2,'),
  gzipped,
  (text) => `${text}${text}`,
  (text) => text.replaceAll('"', "'"),
  (text) => `)]}',\n${text}`,
  () => '',
]
const types = [
  mediaType,
  'application/json',
  'text/plain',
  `${mediaType};charset=utf-8`,
  `${mediaType};ext="https://jsonapi.org/ext/atomic"`,
  'x',
  '',
]
const ids = [
  'usr_h',
  'plan_h',
  'key_h',
  'ups_h',
  'rte_h',
  'usr_none',
  '%00',
  'usr_%00',
  '..%2f..%2f',
  '%ff',
  '%',
  '*',
  "'",
  'usr_%F0%9F%98%80',
  '__proto__',
  `usr_${'x'.repeat(128)}`,
]
const queries = [
  ...[
    '',
    '',
    '',
    '',
    '?',
    '?x',
    '?fields[users]=email',
    '?fields[nope]=x',
    '?include=user.plan',
    '?include=,',
    '?sort=-,',
    '?a=%ff%00',
  ],
  ...[
    '?page[size]=1e400',
    '?page[number]=-0',
    '?page[after]=AAAA',
    '?filter[id]=%00',
    '?filter[created_at][gte]=0000-01-01',
    '?filter[[]]=1',
  ],
  ...[
    '?filter[status]=a,b,,',
    '?__proto__[x]=1',
    '?filter[name][like]=%25%5C',
    `?x=${'y'.repeat(10_000)}`,
    '?filter[price_monthly]=1e400',
  ],
]

export interface HostileRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  body: Uint8Array | undefined
  headers: Record<string, string>
}

/** Requests to all of these endpoints; for each there is a resource whose id is `<prefix>_h`. */
export function hostileRequests(endpoints: readonly Endpoint[]): fc.Arbitrary<HostileRequest> {
  const reads = endpoints.filter(({ method, path }) => method === 'get' && path.startsWith('/api/'))
  // Signing in is slow on purpose: a few times are enough.
  const writes = endpoints
    .filter(({ method }) => method !== 'get')
    .flatMap((one) => Array<Endpoint>(one.path.startsWith('/auth/') ? 1 : 12).fill(one))
  // Without bias: small numbers and first entries are no better here.
  const requests = fc.constantFrom(...reads, ...writes).chain((endpoint) =>
    fc
      .record({
        ...{ text: bodyFor(endpoint), damage: fc.nat(damages.length * 12), at: fc.nat(200) },
        ...{ type: fc.nat(types.length * 20), id: fc.constantFrom(...ids), own: fc.nat(9) },
        query: fc.oneof(
          { weight: 9, arbitrary: fc.constant('') },
          { weight: 1, arbitrary: fc.constantFrom(...queries) },
        ),
      })
      .map(({ text, damage, at, type, id, own, query }): HostileRequest => {
        const definition = endpoint.notes.find((note) => 'definition' in note)?.definition
        // What the other requests need is deleted rarely.
        const keeps = endpoint.method === 'delete' && at > 0
        const path = endpoint.path
          .replace(':relationship', [...(definition?.relationships.keys() ?? []), id][at % 2] ?? id)
          .replaceAll(/:\w+/g, keeps || own === 0 ? id : `${definition?.idPrefix}_h`)
        const headers: Record<string, string> = {
          'content-type': types[type] ?? (at % 2 ? mediaType : 'application/json'),
        }
        if (damages[damage] === gzipped) headers['content-encoding'] = 'gzip'
        return {
          method: endpoint.method.toUpperCase() as HostileRequest['method'],
          url: path + query,
          body: endpoint.method === 'get' ? undefined : Buffer.from(damages[damage]?.(text, at) ?? text),
          headers,
        }
      }),
  )
  return fc.noBias(requests)
}
