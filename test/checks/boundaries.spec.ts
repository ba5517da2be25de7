import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')

/** The lint configuration over an empty copy of the tree, to plant violations in. */
const copy = mkdtempSync(path.join(os.tmpdir(), 'apigate-lint-'))
copyFileSync(path.join(root, 'oxlint.config.ts'), path.join(copy, 'oxlint.config.ts'))
symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
afterAll(() => rmSync(copy, { recursive: true }))

/** What lint says of a file in that folder. */
function lint(folder: string, source: string): { status: number | null; output: string } {
  mkdirSync(path.join(copy, folder), { recursive: true })
  const file = path.join(folder, 'planted.ts')
  writeFileSync(path.join(copy, file), source)
  return run('oxlint', [file], copy)
}

function run(binary: string, args: string[], cwd: string): { status: number | null; output: string } {
  const file = path.join(root, 'node_modules/.bin', binary)
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

const importing = (specifier: string): string => `import * as thing from '${specifier}'\nexport const used = thing\n`

const violations: [place: string, specifier: string, reason: string][] = [
  ['libs/errors/src', '@apigate/core', 'errors imports nothing'],
  ['libs/core/src', 'node:fs', 'core is pure'],
  ['libs/core/src', '@apigate/contracts', 'core is pure'],
  ['libs/contracts/src', 'pino', 'contracts is the wire only'],
  ['libs/contracts/src', '@apigate/platform', 'contracts is the wire only'],
  ['libs/platform/src', '@nestjs/common', 'Only the control plane'],
  ['libs/platform/src', '@apigate/testing', 'What ships must not need'],
  ['libs/platform/src', '@apigate/core/src/model.ts', 'through its index only'],
  ['apps/proxy/src', '@nestjs/common', 'Only the control plane'],
  ['apps/proxy/src', '@prisma/client', 'through repositories'],
  ['apps/proxy/src', 'pg', 'through repositories'],
  ['apps/proxy/src', '@apigate/control-plane', 'Applications are not libraries'],
  ['apps/echo/src', '@apigate/core', 'knows nothing of APIGate'],
  ['apps/control-plane/src/jsonapi', '../persistence/generated/client.ts', 'through repositories'],
  ['apps/control-plane/src/resources/plans', '../users/users.service.ts', 'only through index.ts'],
  ['apps/control-plane/src/resources/plans', 'pg', 'through repositories'],
]

test.each(violations)('in %s, importing %s is refused with the reason', (place, specifier, reason) => {
  const { status, output } = lint(place, importing(specifier))
  expect(output).toContain('no-restricted-imports')
  expect(output).toContain(reason)
  expect(status).not.toBe(0)
})

test.each([
  ['libs/core/src', 're2js'],
  ['libs/core/src', './model.ts'],
  ['libs/contracts/src', '@apigate/core'],
  ['apps/control-plane/src/resources/plans', '../users/index.ts'],
  ['apps/control-plane/src/resources/plans', '../../jsonapi/index.ts'],
])('in %s, importing %s is allowed', (place, specifier) => {
  const { output } = lint(place, importing(specifier))
  expect(output).not.toContain('no-restricted-imports')
})

test('the environment is read in config.ts files only', () => {
  const source = 'export const port = process.env.PORT\n'
  expect(lint('apps/proxy/src', source).output).toContain('no-process-env')
})
