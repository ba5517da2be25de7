import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createLogger } from '@apigate/platform'
import { aUsageDraft, usageEventsIn } from '@apigate/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openUsageSpool, type UsageSpool } from './index.ts'

let dir: string
let running: ChildProcess | null = null

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'apigate-crash-'))
})
afterEach(async () => {
  running?.kill('SIGKILL')
  await rm(dir, { recursive: true })
})

/** Records one to three events a turn for ever, and says on stdout which it has let go of: `<seq>` or `lost <count>`. */
const recorder = `
  import { openUsageSpool } from ${JSON.stringify(path.join(import.meta.dirname, 'index.ts'))}
  const log = { info() {}, warn() {}, error() {} }
  const spool = await openUsageSpool({
    dir: process.argv[1], worker: 'w-1', segmentBytesMax: 20_000, diskBytesMax: 2 ** 30, log
  })
  const draft = ${JSON.stringify(aUsageDraft({ path: '/ü'.repeat(50) }))}
  let seq = 0
  const turn = () => {
    for (let n = 0; n <= seq % 3; n += 1) {
      const own = ++seq
      spool.record(draft, () => process.stdout.write((spool.lostEvents > 0 ? 'lost ' + spool.lostEvents : own) + '\\n'))
    }
    setTimeout(turn, 0)
  }
  turn()
`

/** The recorder in a process of its own, optionally with a bound on the size of a file, in KiB. */
function startRecorder(fileKibMax?: number): ChildProcess {
  const limit = fileKibMax === undefined ? '' : `ulimit -f ${fileKibMax};`
  const node = [process.execPath, '--conditions=source', '--input-type=module', '--eval', recorder, dir]
  running = spawn('bash', ['-c', `${limit} exec "$@"`, 'recorder', ...node], { stdio: ['ignore', 'pipe', 'inherit'] })
  return running
}

/** What the recorder said before it was killed, which is done at the line that `until` likes. */
async function outputOf(child: ChildProcess, until: (line: string, count: number) => boolean): Promise<string[]> {
  const lines: string[] = []
  if (!child.stdout) throw new Error('the recorder has no stdout')
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (until(line, lines.length)) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return lines
}

async function openAgain(): Promise<{ spool: UsageSpool; seqs: Set<number> }> {
  const log = createLogger({ name: 'test', level: 'silent' })
  const spool = await openUsageSpool({ dir, worker: 'w-1', segmentBytesMax: 2 ** 20, diskBytesMax: 2 ** 30, log })
  const seqs = new Set<number>()
  for (const epoch of spool.epochs) {
    for (let run = epoch.unacknowledged.runFrom(1); run; run = epoch.unacknowledged.runFrom(run.last + 1)) {
      const rows = await spool.batchRows(epoch, run.first, run.last)
      for (const { seq } of usageEventsIn({ ...epoch, rows: rows ?? '' })) seqs.add(seq)
    }
  }
  return { spool, seqs }
}

test('every answer that was let go before kill -9 is in the spool afterwards', async () => {
  for (const killAt of [1, 50, 400, 1_000]) {
    const said = await outputOf(startRecorder(), (_, count) => count === killAt)
    const { spool, seqs } = await openAgain()
    expect(said.length).toBeGreaterThanOrEqual(killAt)
    expect(said.filter((line) => !seqs.has(Number(line)))).toEqual([])
    const [old] = spool.epochs
    if (!old) throw new Error('nothing was left')
    spool.acknowledge({ v: 1, worker: 'w-1', epoch: old.epoch, first: 1, seq: 1e9 })
    await spool.close()
  }
})

test('a file that cannot grow (disk full) leaves whole records only, and the answers still go out', async () => {
  const said = await outputOf(
    startRecorder(8),
    (line) => Number(line.replace('lost ', '')) >= 20 && line.startsWith('lost'),
  )
  const { spool, seqs } = await openAgain()
  const kept = said.filter((line) => !line.startsWith('lost'))
  expect(kept.length).toBeGreaterThan(5)
  expect([...seqs]).toEqual(kept.map(Number))
  await spool.close()
})
