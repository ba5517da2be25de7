import { routeProblems } from '@apigate/core'
import { aRoute } from '@apigate/testing'
import { expect, test } from 'vitest'
import { openApiRoutes } from './openapi.routes.ts'

const operation = { responses: {} }

test('a path becomes a route of its methods, with parameters that a pattern can have', () => {
  const paths = {
    '/pets': { get: { summary: 'All pets', ...operation }, post: operation, parameters: [] },
    '/pets/{pet-id}/toys/{pet-id}': { summary: 'Toys', delete: operation },
    '/files/{name}.json': { get: operation },
    '/a(b)': { get: operation },
    '/nothing': { parameters: [] },
    'x-extension': {},
  }
  const routes = openApiRoutes({ openapi: '3.1.0', info: { title: 'Pets' }, paths }, '/v1/') ?? []
  expect(routes.map(({ fields }) => fields)).toEqual([
    {
      name: 'Pets /pets',
      description: 'All pets',
      path_pattern: '/v1/pets',
      match_type: 'exact',
      methods: ['GET', 'POST'],
    },
    {
      ...{ name: 'Pets /pets/{pet-id}/toys/{pet-id}', description: 'Toys', match_type: 'exact', methods: ['DELETE'] },
      path_pattern: '/v1/pets/{pet_id}/toys/{pet_id_2}',
    },
    {
      ...{ name: 'Pets /files/{name}.json', description: '', match_type: 'regex', methods: ['GET'] },
      path_pattern: '/v1/files/{name}\\.json',
    },
    { name: 'Pets /a(b)', description: '', path_pattern: '/v1/a(b)', match_type: 'exact', methods: ['GET'] },
  ])
  for (const { fields } of routes) {
    const config = aRoute({ pathPattern: fields.path_pattern, pathMatch: fields.match_type, methods: fields.methods })
    expect(routeProblems(config)).toEqual([])
  }
  const again = openApiRoutes({ openapi: '3.0.3', paths }, '/v1')
  expect(again?.map(({ id }) => id)).toEqual(routes.map(({ id }) => id))
  expect(openApiRoutes({ openapi: '3.0.3', paths }, '/v2')?.[0]?.id).not.toBe(routes[0]?.id)
})

test.each([[null], [[]], [{}], [{ swagger: '2.0', paths: {} }], [{ openapi: '3.1.0', paths: [] }], ['openapi: 3.1.0']])(
  '%j is no OpenAPI document',
  (document) => {
    expect(openApiRoutes(document, '')).toBeNull()
  },
)
