import { readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'

/**
 * Claims a folder for this process. The lock is a symbolic link whose target names the holder: made in one step with
 * its content, and also on a disk without a free block. A holder that is gone (`kill -9`) loses it.
 *
 * @returns what gives the lock back.
 * @throws when another live process holds it, or when the folder cannot be written.
 */
export function claimFolder(lockPath: string): () => void {
  const self = `${process.pid}:${startOf(process.pid)}`
  for (;;) {
    try {
      symlinkSync(self, lockPath)
      return () => unlinkSync(lockPath)
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
    }
    const holder = readHolder(lockPath)
    if (holder !== null && isAlive(holder)) {
      throw new Error(`${lockPath} is held by process ${holder.pid}: every worker needs a data folder of its own`)
    }
    if (holder !== null) unlinkSync(lockPath)
  }
}

interface Holder {
  pid: number
  start: string
}

function readHolder(lockPath: string): Holder | null {
  try {
    const [pid, start] = readlinkSync(lockPath).split(':')
    return { pid: Number(pid), start: start ?? '' }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

/** A process id alone says little: in a container every start has the same one. */
function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return isCode(error, 'EPERM')
  }
  const start = startOf(holder.pid)
  if (start === '' || holder.start === '') return holder.pid !== process.pid
  return start === holder.start
}

/** When a process started, in clock ticks since boot (proc(5), field 22); empty where there is no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
