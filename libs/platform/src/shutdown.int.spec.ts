import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

/** A process that prints a line per step; the steps `hang` and `late` never end, `late` has a time limit. */
const program = (steps: string[]): string => `
  import { shutdownOnSignal } from ${JSON.stringify(path.join(import.meta.dirname, 'shutdown.ts'))}
  const log = { info() {}, warn() {}, error: (o) => console.log('failed ' + o.step) }
  setInterval(() => {}, 1000)
  shutdownOnSignal(log, ${JSON.stringify(steps)}.map((name) => ({ name, ...(name === 'late' && { timeoutMs: 20 }), async run() {
    console.log(name)
    await new Promise(setImmediate)
    if (name === 'throw') throw new Error('x')
    if (name === 'hang' || name === 'late') await new Promise(() => {})
    console.log(name + ' done')
  } })))
  console.log('up')`

async function run(
  steps: string[],
  signalAt: Record<string, NodeJS.Signals>,
): Promise<{ code: number; lines: string[] }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(steps)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (signalAt[line]) child.kill(signalAt[line])
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, lines }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s runs the steps in order and exits 0', async (signal) => {
  expect(await run(['a', 'b'], { up: signal })).toEqual({ code: 0, lines: ['up', 'a', 'a done', 'b', 'b done'] })
})

test('a step that fails is reported, the next ones run, the exit code is 1', async () => {
  expect(await run(['throw', 'b'], { up: 'SIGTERM' })).toEqual({
    code: 1,
    lines: ['up', 'throw', 'failed throw', 'b', 'b done'],
  })
})

test('a step that hangs longer than it may counts as failed', async () => {
  expect(await run(['late', 'b'], { up: 'SIGTERM' })).toEqual({
    code: 1,
    lines: ['up', 'late', 'failed late', 'b', 'b done'],
  })
})

test('a second signal exits at once', async () => {
  expect(await run(['hang', 'b'], { up: 'SIGTERM', hang: 'SIGINT' })).toEqual({ code: 1, lines: ['up', 'hang'] })
})
