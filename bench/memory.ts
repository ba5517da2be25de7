import { spawnSync } from 'node:child_process'
import { ConfigState } from '../apps/proxy/dist/tables/config.state.js'
import { configurationTables } from './configuration.items.ts'

/** What a worker's tables take when all of them are there: each scale in a process of its own, after its garbage is collected. */
const scales = {
  small: { routes: 10, keys: 1_000 },
  full: { routes: 100_000, keys: 1_000_000 },
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)

function measure(name: keyof typeof scales): void {
  const state = new ConfigState('bench', new Map(), { open: () => '' })
  for (const table of configurationTables(scales[name])) for (const item of table) state.apply(item)
  state.compile()
  if (state.problem !== null) throw new Error(state.problem)
  const { keys } = state.tables(1)
  for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  process.stdout.write(JSON.stringify({ heapUsed, arrayBuffers, rss, keys: keys.byteLength }))
}

const [, , , scale] = process.argv
if (scale === 'small' || scale === 'full') measure(scale)
else {
  const measured = (['small', 'full'] as const).map((name) => {
    const args = ['--expose-gc', import.meta.filename, 'memory', name]
    return JSON.parse(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout) as Record<string, number>
  })
  const [small, full] = measured as [Record<string, number>, Record<string, number>]
  console.log('| MB | 10 routes, 1,000 keys | 100,000 routes, 1,000,000 keys of 500,000 users | more |')
  console.log('|---|---|---|---|')
  for (const part of Object.keys(full)) {
    console.log(
      `| ${part} | ${megabytes(small[part]!)} | ${megabytes(full[part]!)} | ${megabytes(full[part]! - small[part]!)} |`,
    )
  }
}
