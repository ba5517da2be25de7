import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

test.each([
  ['type-aware lint', 'oxlint', ['--type-aware']],
  ['the format check', 'oxfmt', ['--check']],
  ['the type check, tests included', 'tsc', ['-b']],
])('the whole tree passes %s', (_name, binary, args) => {
  const file = path.join(root, 'node_modules/.bin', binary)
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: root, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
})
