import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aVariableSource } from '../../test/a-variable-source.ts'
import { changeBody } from './body-changes.ts'
import { changeHeaders } from './header-changes.ts'
import { changeQuery } from './query-changes.ts'
import { compileTransform, type TransformPart } from './transform.ts'
import type { VariableSource } from './variables.ts'

const source = aVariableSource({
  plain: { user_id: 'usr_1', method: 'POST', path: '/a/7', plan_name: 'Prö' },
  headers: { 'x-in': 'in', 'x-evil': 'a\r\nX-Admin: 1\0' },
  query: { q: 'a b&c=ü', evil: '\r\n\r\nbody' },
  params: { id: '7' },
})

function parts(value: unknown, side: 'request' | 'response' = 'request', status = 0): readonly TransformPart[] {
  const { transform, problems } = compileTransform(value, { side, params: ['id'] }, 'http')
  expect(problems).toEqual([])
  return transform?.select(source, status) ?? []
}

const headers = (changes: object, ...before: string[]): string[] =>
  changeHeaders(parts({ headers: changes })[0]!.headers!, before, source)
const query = (changes: object, before: string): string =>
  changeQuery(parts({ query: changes })[0]!.query!, before, source)
const body = (changes: object, before: unknown, from: VariableSource = source): unknown =>
  changeBody(parts({ body: changes })[0]!.body!, before, from)

describe('changes of headers', () => {
  it('set replaces all of a name, add adds, remove removes, rename keeps the place', () => {
    const before = ['A', '1', 'x-b', '2', 'X-B', '3', 'C', '4']
    expect(headers({ set: { 'x-B': 'new' } }, ...before)).toEqual(['A', '1', 'C', '4', 'x-B', 'new'])
    expect(headers({ add: { 'X-B': 'new' } }, ...before)).toEqual([...before, 'X-B', 'new'])
    expect(headers({ remove: ['X-B', 'Z'] }, ...before)).toEqual(['A', '1', 'C', '4'])
    expect(headers({ rename: { 'X-B': 'X-N', Z: 'A' } }, ...before)).toEqual([
      'A',
      '1',
      'X-N',
      '2',
      'X-N',
      '3',
      'C',
      '4',
    ])
    expect(headers({ rename: { 'X-B': 'c' } }, ...before)).toEqual(['A', '1', 'c', '2', 'c', '3'])
    expect(headers({ rename: { A: 'C', C: 'A' } }, ...before)).toEqual(['C', '1', 'x-b', '2', 'X-B', '3', 'A', '4'])
    expect(headers({ rename: { A: 'D' }, remove: ['D'], set: { E: '${header.X-In}/${param.id}' } }, 'A', '1')).toEqual([
      ...['E', 'in/7'],
    ])
  })

  it('no value becomes a second header, and text beyond ASCII is UTF-8', () => {
    const set = { A: '${header.X-Evil}', B: '${query.evil}', C: '${plan_name}', D: '${header.none}', E: '$${x} $1' }
    expect(headers({ set })).toEqual([
      ...['A', 'a%0D%0AX-Admin: 1%00', 'B', '%0D%0A%0D%0Abody', 'C', Buffer.from('Prö').toString('latin1')],
      ...['D', '', 'E', '${x} $1'],
    ])
  })

  it('whatever the value: one line of bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff)), (codes) => {
        const { headers: changes } = parts({ headers: { set: { A: '${query.q}' } } })[0]!
        const changed = changeHeaders(changes!, [], aVariableSource({ query: { q: String.fromCharCode(...codes) } }))
        expect(changed[1]).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
      }),
    )
  })
})

describe('changes of the query', () => {
  it('leave what nobody named byte for byte', () => {
    const before = '?a=1&%61=2&b=%zz&c&a+b=+&&d=%2f'
    expect(query({ remove: ['a'] }, before)).toBe('?b=%zz&c&a+b=+&&d=%2f')
    expect(query({ remove: ['a b', 'c'] }, before)).toBe('?a=1&%61=2&b=%zz&&d=%2f')
    expect(query({ set: { a: '3' } }, before)).toBe('?b=%zz&c&a+b=+&&d=%2f&a=3')
    expect(query({ add: { a: '3' } }, before)).toBe(`${before}&a=3`)
    expect(query({ set: { 'x&': '${query.q}' } }, '')).toBe('?x%26=a%20b%26c%3D%C3%BC')
    expect(query({ remove: ['a'] }, '?a=1')).toBe('')
    expect(query({ add: { a: '1' } }, '?')).toBe('?a=1')
  })
})

describe('changes of the body', () => {
  it('set, remove, rename, mask and wrap', () => {
    expect(body({ set: { 'user.id': '${user_id}', n: 5 } }, { user: { name: 'a' } })).toEqual({
      ...{ user: { name: 'a', id: 'usr_1' }, n: 5 },
    })
    expect(
      body(
        { remove: ['a.b', 'none.x', 'list[].s', 'list[1].t'] },
        { a: { b: 1, c: 2 }, list: [{ s: 1, t: 1 }, { t: 1 }, 5] },
      ),
    ).toEqual({
      ...{ a: { c: 2 }, list: [{ t: 1 }, {}, 5] },
    })
    expect(
      body({ rename: { a: 'b', 'c.d': 'e', 'l[].x': 'l[].y', none: 'b' } }, { a: 1, b: 2, c: { d: 3 }, l: [{ x: 4 }] }),
    ).toEqual({
      ...{ b: 1, c: { e: 3 }, l: [{ y: 4 }] },
    })
    expect(
      body(
        { mask: ['card', 'l[]', 'm[1]', 'o[].s', 'z.none'] },
        { card: { n: 1 }, l: [1, null], m: [1, 2, 3], o: [{ s: 1 }, {}], z: {} },
      ),
    ).toEqual({
      ...{ card: '***', l: ['***', '***'], m: [1, '***', 3], o: [{ s: '***' }, {}], z: {} },
    })
    expect(body({ mask: ['[].s'], wrap: 'data' }, [{ s: 1 }])).toEqual({ data: [{ s: '***' }] })
    expect(body({ wrap: 'data' }, 'text')).toEqual({ data: 'text' })
    expect(body({ rename: { a: 'b' }, remove: ['b'], set: { c: 1 }, mask: ['c'], wrap: 'd' }, { a: 1 })).toEqual({
      d: { c: '***' },
    })
  })

  it('set takes effect whatever is in the way, but makes nothing else of a body, a list or its elements', () => {
    const set = { 'a.b': 1 }
    for (const before of [{}, { a: null }, { a: 5 }, { a: 'x' }, { a: [1] }, { a: { b: 2 } }])
      expect(body({ set }, before)).toEqual({ a: { b: 1 } })
    for (const before of [5, 'x', null, true, [{ a: 1 }]]) expect(body({ set }, before)).toEqual(before)
    expect(body({ set: { 'l[].a.b': 1 } }, { l: [{}, 5, null, { a: 1 }] })).toEqual({
      l: [{ a: { b: 1 } }, 5, null, { a: { b: 1 } }],
    })
    for (const l of [{}, 5, null, []]) expect(body({ set: { 'l[].a': 1, 'l[0].a': 1 } }, { l })).toEqual({ l })
    expect(body({ set: { 'l[].a': 1 } }, {})).toEqual({})
  })

  it('reaches no prototype', () => {
    const set = { '__proto__.polluted': 1, 'constructor.prototype.polluted': 1, 'a.__proto__.polluted': 1 }
    const changed = body({ set }, { a: {} })
    expect(JSON.stringify(changed)).toBe(
      '{"a":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    )
    expect(Object.getPrototypeOf(changed)).toBe(Object.prototype)
    expect({}).not.toHaveProperty('polluted')
    const sent = JSON.parse('{"__proto__":{"a":1},"b":2}') as unknown
    expect(JSON.stringify(body({ set: { c: 3 }, mask: ['__proto__.a'] }, sent))).toBe(
      '{"__proto__":{"a":"***"},"b":2,"c":3}',
    )
    expect(JSON.stringify(body({ rename: { b: '__proto__' }, wrap: '__proto__' }, { b: 1 }))).toBe(
      '{"__proto__":{"__proto__":1}}',
    )
    expect(JSON.stringify(body({ remove: ['toString', '__proto__'] }, { a: 1 }))).toBe('{"a":1}')
    expect(Object.getOwnPropertyNames(Object.prototype)).toContain('toString')
  })

  const names = fc.constantFrom('a', 'b', 'c', 'list', '__proto__', 'constructor')
  const paths = fc
    .tuple(
      names,
      fc.array(
        fc.oneof(
          names.map((name) => `.${name}`),
          fc.constantFrom('[]', '[0]'),
        ),
        { maxLength: 3 },
      ),
      names,
    )
    .map(([first, middle, last]) => `${first}${middle.join('')}.${last}`)
  const values = fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes('${'))
  const changes = fc.record({
    set: fc.dictionary(paths, values, { maxKeys: 3 }),
    remove: fc.array(paths, { maxLength: 3 }),
    rename: fc.dictionary(paths, names, { maxKeys: 2 }),
    mask: fc.array(paths, { maxLength: 3 }),
  })
  const { value: bodies } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    ),
  }))
  const ordinary = Object.getOwnPropertyNames(Object.prototype)

  it('leave the value that is given as it is, and the world too', () => {
    fc.assert(
      fc.property(changes, bodies, (change, before) => {
        const text = JSON.stringify(before)
        const [part] = parts({ body: change })
        if (!part) return
        JSON.stringify(changeBody(part.body!, before, source))
        expect(JSON.stringify(before)).toBe(text)
        expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(ordinary)
      }),
      { numRuns: 500 },
    )
  })

  it('setting, removing and masking twice is the same as once', () => {
    fc.assert(
      fc.property(fc.constantFrom('set', 'remove', 'mask'), paths, bodies, (kind, path, before) => {
        const change = kind === 'set' ? { set: { [path]: 1 } } : { [kind]: [path] }
        const { body: compiled } = parts({ body: change })[0]!
        const once = changeBody(compiled!, before, source)
        expect(JSON.stringify(changeBody(compiled!, once, source))).toBe(JSON.stringify(once))
      }),
      { numRuns: 500 },
    )
  })

  it('many changes of a large body copy it once', () => {
    const large = {
      list: Array.from({ length: 50_000 }, (_, i) => ({ i })),
      wide: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i])),
    }
    const set = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`wide.k${i}`, 'x']))
    let copies = 0
    const watched = new Proxy(large.wide, { ownKeys: (target) => ((copies += 1), Reflect.ownKeys(target)) })
    body({ set }, { ...large, wide: watched })
    expect(copies).toBe(1)
  })
})

describe('conditions', () => {
  const selected = (when: object, side: 'request' | 'response' = 'request', status = 0): boolean =>
    parts({ conditions: [{ when, headers: { set: { A: '1' } } }] }, side, status).length === 1

  it.each([
    [{ method: 'POST' }, true],
    [{ method: 'GET' }, false],
    [{ method: ['GET', 'POST'] }, true],
    [{ method: 'POST', 'header.X-In': 'in', 'query.q': true, 'param.id': '7' }, true],
    [{ method: 'POST', 'header.X-In': 'out' }, false],
    [{ 'header.X-None': true }, false],
    [{ 'header.X-None': false }, true],
    [{ 'header.X-In': false }, false],
    [{ group_id: '' }, true],
  ])('%j holds: %s', (when, holds) => {
    expect(selected(when)).toBe(holds)
  })

  it.each([
    [200, 200, true],
    ['2xx', 204, true],
    [['4xx', 500], 500, true],
    [['4xx', 500], 502, false],
  ])('status %j for %d: %s', (status, answered, holds) => {
    expect(selected({ status }, 'response', answered)).toBe(holds)
  })

  it('the unconditional part comes first, then those that hold, in their order', () => {
    const set = (a: string) => ({ headers: { set: { a } } })
    const conditions = ['POST', 'GET', 'POST'].map((method, i) => ({ when: { method }, ...set(String(i)) }))
    const values = parts({ ...set('base'), conditions }).map(
      ({ headers: changes }) => changeHeaders(changes!, [], source)[1],
    )
    expect(values).toEqual(['base', '0', '2'])
  })
})
