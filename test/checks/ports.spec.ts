import { execFile } from 'node:child_process'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const ports = pathToFileURL(path.resolve(import.meta.dirname, '../../scripts/ports.mjs')).href
const script = `
  import { freePort } from ${JSON.stringify(ports)}
  const found = []
  while (found.length < 300) found.push(await freePort())
  console.log(found.join(' '))
  process.stdin.resume().on('end', () => process.exit())`

it('processes that run side by side never get the same free port', async () => {
  const children = [1, 2, 3].map(() => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]))
  const printed = children.map(
    ({ child }) => new Promise<string>((resolve) => child.stdout!.once('data', (data) => resolve(String(data)))),
  )
  const found = (await Promise.all(printed)).flatMap((line) => line.trim().split(' '))
  for (const { child } of children) child.stdin!.end()
  await Promise.all(children)
  expect(found).toHaveLength(900)
  expect(new Set(found).size).toBe(900)
})
