import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aRoute } from '../../test/a-route.ts'
import type { PathMatch } from '../model.ts'
import { routeProblems } from './compiled-route.ts'
import { normalizeTarget } from './request-target.ts'
import { compileRoutes, rewritePath } from './route-table.ts'
import { joinUpstreamPath } from './upstream-path.ts'

/** What `path` becomes; undefined when the route does not match it. */
function rewritten(pathMatch: PathMatch, pathPattern: string, pathRewrite: string | null, path: string) {
  const table = compileRoutes([aRoute({ pathMatch, pathPattern, pathRewrite })])
  const match = table.match('h', path, 'GET', () => undefined)
  return match === null ? undefined : rewritePath(match)
}

describe('rewritePath', () => {
  it('leaves the matched path as it is when the route has no rewrite', () => {
    expect(rewritten('prefix', '/api/*', null, '/api//a%2Fb/')).toBe('/api//a%2Fb/')
  })

  it.each([
    ['/api/v1/users/*', '/users/$1', '/api/v1/users/42', '/users/42'],
    ['/api/v1/users/*', '/users/$1', '/api/v1/users/42/', '/users/42/'],
    ['/api/v1/users', '/users/$1', '/api/v1/users/42/x', '/users/42/x'],
    ['/api/*', '/$1', '/api/x', '/x'],
    ['/*', '/v2/$1', '/x/y', '/v2/x/y'],
    ['/*', '/v2/$1', '/', '/v2/'],
    ['/file-*', '/files/$1', '/file-a/b', '/files/a/b'],
    ['/file-*', '/files/$1', '/file-', '/files/'],
    ['/t/{tenant}/u/{id}/*', '/u/${id}/{tenant}/$1', '/t/acme/u/7/x', '/u/7/acme/x'],
    ['/a/*', '/fixed', '/a/b', '/fixed'],
    ['/a/*', '/$$/$1', '/a/b', '/$/b'],
    ['/a/*', '/café/$1', '/a/b', '/caf%C3%A9/b'],
    ['/a/*', '/$1/$1', '/a/b', '/b/b'],
    ['/a/*', '/x$10', '/a/b', '/xb0'],
    ['/a/*', '$1', '/a/b', '/b'],
  ])('prefix %s with %s makes %s into %s', (pattern, rewrite, path, expected) => {
    expect(rewritten('prefix', pattern, rewrite, path)).toBe(expected)
  })

  it.each([
    ['/api/v1/users', '/users'],
    ['/api/v1/users/', '/users/'],
  ])('"/$1" keeps the slash that the client wrote or left out: %s gives %s', (path, expected) => {
    expect(rewritten('prefix', '/api/v1/users/*', '/users/$1', path)).toBe(expected)
  })

  it('is never empty', () => {
    expect(rewritten('prefix', '/api/*', '/$1', '/api')).toBe('/')
    expect(rewritten('regex', '/api(/.*)?', '$1', '/api')).toBe('/')
  })

  it.each([
    ['/v(\\d+)/(.*)', '/$2/version/$1', '/v3/a/b', '/a/b/version/3'],
    ['/{tenant}/(?P<rest>.*)', '/{rest}/of/${tenant}', '/acme/x/y', '/x/y/of/acme'],
    ['/(a)|/(b)', '/x$1$2', '/b', '/xb'],
  ])('regex %s with %s makes %s into %s', (pattern, rewrite, path, expected) => {
    expect(rewritten('regex', pattern, rewrite, path)).toBe(expected)
  })

  it('refuses what is put together to a path that nobody routed to', () => {
    expect(rewritten('prefix', '/file-*', '/safe/$1', '/file-../secret')).toBeNull()
    expect(rewritten('prefix', '/file-*', '/safe/.$1', '/file-.')).toBeNull()
    expect(rewritten('regex', '/x(.*)', '/safe/$1', '/x..')).toBeNull()
    expect(rewritten('regex', '/(.*%)25(.*)', '/$1$2', '/%252e')).toBeNull()
  })

  it('gives a normalised path without query and fragment, or nothing, whatever was sent', () => {
    const piece = fc.constantFrom('a', '/', '.', '..', '%3f', '%23', '%2e', '%25', '#', '?', 'é', '%0d%0a', '-', 'x')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = normalizeTarget(`/p/v-${pieces.join('')}`)?.path
        fc.pre(path !== undefined)
        for (const result of [
          rewritten('prefix', '/p/v-*', '/to/$1', path),
          rewritten('regex', '/p/{name}(.*)', '/to/{name}$2', path),
        ]) {
          fc.pre(result !== undefined && result !== null)
          expect(result).toMatch(/^\/to\/[^?#\s]*$/)
          expect(normalizeTarget(result)?.path).toBe(result)
        }
      }),
    )
  })
})

describe('a path_rewrite is refused when it is written', () => {
  it.each([
    ['exact', '/a', '/$1', '$1'],
    ['prefix', '/a/*', '/$2', '$2'],
    ['regex', '/(a)/(b)', '/$3', '$3'],
    ['prefix', '/a/{x}', '/{y}', '{y}'],
    ['exact', '/a', '/${x}', '{x}'],
    ['prefix', '/a', 'b/$1', 'must start with'],
    ['prefix', '/a', '', 'must start with'],
    ['prefix', '/a', '/b?c=$1', '"?"'],
    ['prefix', '/a', '/b#c', '"#"'],
    ['prefix', '/a', '/b/../$1', '".."'],
    ['prefix', '/a', '/b/.', '"."'],
    ['prefix', '/a', '/$', '"$"'],
    ['prefix', '/a', '/$0', '"$"'],
    ['prefix', '/a', '/{', 'brace'],
    ['prefix', '/a', '/b c', 'no path can hold'],
    ['prefix', '/a', '/%zz', 'no path can hold'],
    ['prefix', '/a', '/b\\c', 'no path can hold'],
    ['prefix', '/a', `/${'b'.repeat(2048)}`, 'longer than'],
  ] as const)('%s %s with %j', (pathMatch, pathPattern, pathRewrite, reason) => {
    expect(routeProblems(aRoute({ pathMatch, pathPattern, pathRewrite }))).toEqual([
      { field: 'path_rewrite', message: expect.stringContaining(reason) },
    ])
  })
})

it.each([
  ['', '/x', '/x'],
  ['/', '/x', '/x'],
  ['/api', '/x', '/api/x'],
  ['/api/', '/x/', '/api/x/'],
  ['/api', '/', '/api/'],
  ['/', '//x', '//x'],
])('joinUpstreamPath joins %j and %j with one slash', (base, path, joined) => {
  expect(joinUpstreamPath(base, path)).toBe(joined)
})
