import { readFileSync } from 'node:fs'
import { compileExpression, compileTransform } from '@apigate/core'
import { expect, test } from 'vitest'

const read = (name: string): string => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8')

test('every transform in docs/transforms.md compiles', () => {
  const examples = [...read('transforms.md').matchAll(/```json\n([^]*?)```/g)].map(
    ([, json]) => JSON.parse(json!) as object,
  )
  expect(examples).toHaveLength(2)
  for (const example of examples) {
    const side = 'query' in example ? 'request' : 'response'
    const { transform, problems } = compileTransform(example, { side, params: [] }, 'http')
    expect(problems).toEqual([])
    expect(transform?.hasBody).toBe(true)
  }
})

test('every expression in docs/metering.md compiles', () => {
  const table = read('metering.md').split('## Examples')[1]!.split('## ')[0]!
  const examples = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, expression]) => expression!.replaceAll('\\|', '|'))
  expect(examples.length).toBeGreaterThan(8)
  for (const example of examples) compileExpression(example)
})
