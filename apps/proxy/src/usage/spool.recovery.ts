import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { SpoolEpoch } from './spool.epoch.ts'
import { claimFolder } from './spool.lock.ts'
import { UsageSpool, type UsageSpoolOptions } from './usage.spool.ts'

const workerPattern = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Opens the spool of a worker, claims its folder and takes over what earlier processes left in it.
 *
 * @throws when the worker's name is not usable, the folder cannot be written, or another live process uses it.
 */
export async function openUsageSpool(options: UsageSpoolOptions): Promise<UsageSpool> {
  if (!workerPattern.test(options.worker)) {
    throw new Error(`worker id "${options.worker}" must be 1 to 64 of the characters A-Z a-z 0-9 . _ -`)
  }
  const dir = path.join(options.dir, 'spool')
  let release: () => void
  try {
    await mkdir(dir, { recursive: true })
    release = claimFolder(path.join(dir, 'lock'))
  } catch (error) {
    throw new Error(`cannot use the spool folder ${dir}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  try {
    return await takeOver(options, dir, release)
  } catch (error) {
    release()
    throw error
  }
}

async function takeOver(options: UsageSpoolOptions, dir: string, release: () => void): Promise<UsageSpool> {
  const old: SpoolEpoch[] = []
  for (const name of await readdir(dir)) {
    const [, worker, epoch] = /^([A-Za-z0-9._-]{1,64})_(\d{1,15})$/.exec(name) ?? []
    if (worker !== undefined && epoch !== undefined) old.push(new SpoolEpoch(dir, worker, Number(epoch)))
  }
  old.sort((a, b) => a.epoch - b.epoch)
  const epoch = Math.max(Date.now(), options.epochFloorMs ?? 1, (old.at(-1)?.epoch ?? 0) + 1)
  const current = new SpoolEpoch(dir, options.worker, epoch)
  try {
    // So that the next start finds this epoch even when it has no events.
    current.makeFolder()
  } catch (error) {
    options.log.error({ err: error }, 'the spool is not usable: usage events will be lost')
  }
  const kept: SpoolEpoch[] = []
  for (const each of old) {
    const brokenLines = await each.recover()
    const left = { worker: each.worker, epoch: each.epoch, events: each.unacknowledged.size, brokenLines }
    if (brokenLines > 0) options.log.warn(left, 'the spool of an earlier start has lines that are not usable')
    if (each.unacknowledged.size > 0) {
      kept.push(each)
      options.log.info(left, 'the spool of an earlier start is shipped')
    } else {
      await each.removeFolder()
    }
  }
  return new UsageSpool(options, current, kept, release)
}
