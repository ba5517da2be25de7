import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { errorCatalogue } from '@apigate/errors'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const settingSources = [
  ...globSync('apps/*/src/**/config.ts', { cwd: root }),
  'libs/platform/src/telemetry/telemetry.settings.ts',
]
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

test('docs/errors.md lists the catalogue of errors, row by row', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` *\| (\d{3}) *\| ([^|]+?) *\|/gm)]
  const documented = rows.map(([, code, status, title]) => ({ code, status: Number(status), title }))
  expect(documented).toEqual(Object.entries(errorCatalogue).map(([code, entry]) => ({ code, ...entry })))
})

test('docs/settings.md lists every setting that is read, and no other', () => {
  const names = [...settingSources, 'scripts/start.mjs'].flatMap((file) => [
    ...read(file).matchAll(/'([A-Z][A-Z0-9]+_[A-Z_]+)'|env\.(APIGATE_\w+)/g),
  ])
  const used = new Set(names.map(([, quoted, member]) => quoted ?? member))
  const documented = new Set([...read('docs/settings.md').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name))
  expect(documented).toEqual(used)
})

test('docs/settings.md gives the defaults that hold, with type or unit', () => {
  const rows = new Map(
    [...read('docs/settings.md').matchAll(/^\| `([A-Z_]+)` *\| *([^|]+?) *\| *([^|]+?) *\|/gm)].map(
      ([, name = '', type = '', preset = '']) => [name, { type, preset }],
    ),
  )
  const readings = settingSources.flatMap((file) => [
    ...read(file).matchAll(
      /env\.(?:integer|boolean|oneOf)\(\s*'([A-Z_]+)',(?: \[[^\]]*\],| samplers,)? '?([\w/]+)'?[,)]/g,
    ),
  ])
  expect(readings.length).toBeGreaterThan(30)
  for (const [, name = '', value = ''] of readings) {
    const { type, preset } = rows.get(name)!
    expect(type, name).toMatch(/\w/)
    const [first] = preset.replaceAll('`', '').split(/[;:,]? /)
    expect(`${name}: ${first}`.replace(/[;:,]$/, '')).toBe(
      `${name}: ${value.replaceAll('_', /^\d/.test(value) ? '' : '_')}`,
    )
  }
})

test('every link between the documents leads somewhere', () => {
  const files = [
    ...globSync('docs/**/*.md', { cwd: root }),
    ...globSync('*.md', { cwd: root }),
    'k8s/README.md',
    'bench/README.md',
  ]
  const broken: string[] = []
  for (const file of files) {
    for (const [, target] of read(file).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      if (!existsSync(path.join(root, path.dirname(file), target ?? ''))) broken.push(`${file}: ${target}`)
    }
  }
  expect(broken).toEqual([])
})
