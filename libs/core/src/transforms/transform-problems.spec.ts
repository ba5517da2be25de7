import { describe, expect, it } from 'vitest'
import type { Protocol } from '../model.ts'
import { compileTransform } from './transform.ts'

function problems(
  value: unknown,
  side: 'request' | 'response' = 'request',
  protocol: Protocol = 'http',
): [string, string][] {
  return compileTransform(value, { side, params: ['id'] }, protocol).problems.map(({ field, message }) => [
    field,
    message,
  ])
}

const fields = (...of: Parameters<typeof problems>): string[] => problems(...of).map(([field]) => field)

describe('compileTransform', () => {
  it('takes everything that the reference shows', () => {
    const everything = {
      headers: {
        set: { 'X-Plan': '${plan_name}', 'X-Trace': '${request_id}-${uuid}', 'X-Literal': '$${not_a_variable} $5' },
        add: { Vary: 'X-Plan' },
        remove: ['X-Debug'],
        rename: { 'X-Old': 'X-New' },
      },
      query: { set: { v: '2', user: '${user_id}' }, add: { tag: '${header.X-Tag}' }, remove: ['debug'] },
      body: {
        set: { 'user.id': '${user_id}', 'meta["odd.name"]': { at: ['${iso_time}', 1, null] } },
        remove: ['internal', 'items[].secret', 'items[0].x', '["a b"].c'],
        rename: { old: 'new', 'user.mail': 'email', 'user.name': 'user.full_name', 'items[].a': 'items[].b' },
        mask: ['card.number', 'tokens[]', '[]', 'items[1]'],
        wrap: 'data',
      },
      conditions: [
        { when: { method: ['POST', 'PUT'], 'header.X-Beta': true }, headers: { set: { 'X-Beta': '${query.beta}' } } },
        { when: { 'param.id': '7', plan_id: 'plan_free' }, body: { set: { limit: 10 } } },
      ],
    }
    expect(problems(everything)).toEqual([])
    const { query: _query, ...answer } = everything
    const conditions = [{ when: { status: [200, '4xx'] }, headers: { remove: ['Server'] } }]
    expect(problems({ ...answer, conditions }, 'response')).toEqual([])
    expect(compileTransform({ headers: { set: {} }, conditions: [] }, { side: 'request', params: [] }, 'http')).toEqual(
      {
        transform: null,
        problems: [],
      },
    )
  })

  it.each([
    ['x', ''],
    [[], ''],
    [{ header: {} }, 'header'],
    [{ headers: [] }, 'headers'],
    [{ headers: { put: {} } }, 'headers/put'],
    [{ headers: { set: ['X-A'] } }, 'headers/set'],
    [{ headers: { set: { 'X-A': 1 } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X A': '1' } } }, 'headers/set/X A'],
    [{ headers: { set: { '': '1' } } }, 'headers/set/'],
    [{ headers: { set: { 'a/b~c': '1' } } }, 'headers/set/a~1b~0c'],
    [{ headers: { set: { 'X-A': '1', 'x-a': '2' } } }, 'headers/set/x-a'],
    [{ headers: { set: { 'X-A': 'a\r\nX-B: 1' } } }, 'headers/set/X-A'],
    [{ headers: { add: { 'X-A': 'a\nb' } } }, 'headers/add/X-A'],
    [{ headers: { set: { 'X-A': 'a\0' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${nope}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${user_id' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${param.other}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${header.}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${header.a b}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${header.X-API-Key}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${__proto__}' } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': '${uuid}'.repeat(17) } } }, 'headers/set/X-A'],
    [{ headers: { set: { 'X-A': 'x'.repeat(4097) } } }, 'headers/set/X-A'],
    [{ headers: { remove: 'X-A' } }, 'headers/remove'],
    [{ headers: { remove: ['X-A', 5] } }, 'headers/remove/1'],
    [{ headers: { rename: { 'X-A': 5 } } }, 'headers/rename/X-A'],
    [{ headers: { rename: { 'X-A': 'X B' } } }, 'headers/rename/X-A'],
    [{ query: { set: { a: 1 } } }, 'query/set/a'],
    [{ query: { set: { '': '1' } } }, 'query/set/'],
    [{ query: { rename: {} } }, 'query/rename'],
    [{ body: { set: { 'a..b': 1 } } }, 'body/set/a..b'],
    [{ body: { set: { '': 1 } } }, 'body/set/'],
    [{ body: { set: { '.a': 1 } } }, 'body/set/.a'],
    [{ body: { set: { 'a[': 1 } } }, 'body/set/a['],
    [{ body: { set: { 'a[-1].b': 1 } } }, 'body/set/a[-1].b'],
    [{ body: { set: { 'a[]': 1 } } }, 'body/set/a[]'],
    [{ body: { set: { a: { deep: ['${nope}'] } } } }, 'body/set/a'],
    [{ body: { set: { ['a.'.repeat(32) + 'a']: 1 } } }, `body/set/${'a.'.repeat(32)}a`],
    [{ body: { remove: ['a', 'b[]'] } }, 'body/remove/1'],
    [{ body: { rename: { 'a.b': 'c.d' } } }, 'body/rename/a.b'],
    [{ body: { rename: { 'a.b': 'a.b.c' } } }, 'body/rename/a.b'],
    [{ body: { rename: { a: 5 } } }, 'body/rename/a'],
    [{ body: { rename: { 'a[]': 'b' } } }, 'body/rename/a[]'],
    [{ body: { mask: [''] } }, 'body/mask/0'],
    [{ body: { wrap: '' } }, 'body/wrap'],
    [{ body: { wrap: 5 } }, 'body/wrap'],
    [{ conditions: {} }, 'conditions'],
    [{ conditions: [5] }, 'conditions/0'],
    [{ conditions: [{ headers: {} }] }, 'conditions/0/when'],
    [{ conditions: [{ when: {} }] }, 'conditions/0/when'],
    [{ conditions: [{ when: { nope: '1' } }] }, 'conditions/0/when/nope'],
    [{ conditions: [{ when: { method: 5 } }] }, 'conditions/0/when/method'],
    [{ conditions: [{ when: { method: [] } }] }, 'conditions/0/when/method'],
    [{ conditions: [{ when: { status: 200 } }] }, 'conditions/0/when/status'],
    [{ conditions: [{ when: { method: 'GET' }, conditions: [] }] }, 'conditions/0/conditions'],
    [{ conditions: [{ when: { method: 'GET' }, headers: { set: { Host: 'x' } } }] }, 'conditions/0/headers/set/Host'],
    [{ headers: { remove: Array.from({ length: 101 }, (_, i) => `x-${i}`) } }, ''],
  ])('refuses %j', (value, field) => {
    expect(fields(value)).toEqual([field])
  })

  it.each([
    ...[
      'Content-Length',
      'transfer-encoding',
      'Transfer_Encoding',
      'Content-Encoding',
      'Connection',
      'Host',
      'TE',
      'Trailer',
    ],
    ...[
      'Upgrade',
      'Expect',
      'Keep-Alive',
      'Proxy-Connection',
      'Sec-WebSocket-Key',
      'X-User-ID',
      'x_user_id',
      'X-Group-ID',
    ],
    ...['X-Key-ID', 'X-Plan-ID', 'X-Request-ID', 'X-Forwarded-For', 'X-Forwarded-Host', 'Via'],
  ])('leaves %s of a request alone', (name) => {
    const kinds = [{ set: { [name]: '1' } }, { add: { [name]: '1' } }, { remove: [name] }]
    for (const headers of [...kinds, { rename: { [name]: 'X-A' } }, { rename: { 'X-A': name } }])
      expect(fields({ headers })).toHaveLength(1)
  })

  it.each([
    'Content-Length',
    'Content-Encoding',
    'Transfer-Encoding',
    'X-Request-ID',
    'X-RateLimit-Limit',
    'X-Quota-Used',
  ])('leaves %s of an answer alone', (name) => {
    expect(fields({ headers: { set: { [name]: '1' } } }, 'response')).toEqual([`headers/set/${name}`])
  })

  it('names everything that is wrong at once, and says what is right', () => {
    const all = problems({
      headers: { set: { Host: 'x' } },
      body: { wrap: 1 },
      conditions: [{ when: { x: 1 } }],
      no: 1,
    })
    expect(all.map(([field]) => field).toSorted()).toEqual([
      'body/wrap',
      'conditions/0/when/x',
      'headers/set/Host',
      'no',
    ])
    expect(problems({ headers: { set: { 'X-A': '${nope}' } } })).toEqual([
      ['headers/set/X-A', expect.stringContaining('"nope" is no variable; there are uuid, timestamp')],
    ])
  })

  it('has no body where none is buffered, and no query of an answer', () => {
    for (const protocol of ['http_stream', 'sse', 'websocket'] as const) {
      expect(fields({ body: { set: { a: 1 } } }, 'request', protocol)).toEqual(['body'])
      expect(fields({ headers: { set: { 'X-A': '1' } } }, 'request', protocol)).toEqual([])
    }
    expect(fields({ query: { set: { a: '1' } } }, 'response')).toEqual(['query'])
    expect(fields({ conditions: [{ when: { status: '9xx' } }] }, 'response')).toEqual(['conditions/0/when/status'])
  })
})
