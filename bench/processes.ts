import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const cores = spawnSync('nproc', { encoding: 'utf8' }).stdout.trim()
const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0
/** USER_HZ, the unit of /proc/<pid>/stat. */
const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100

export const measuredCore = 0
/** Where everything goes that is not measured; the same core when there is only one. */
export const otherCore = Number(cores) > 1 ? 1 : 0

/** Puts this process, and all that it starts without another choice, on one core. */
export function pinThis(core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(process.pid)])
}

export interface BenchProcess {
  child: ChildProcess
  pid: number
}

/** Starts a Node process that talks over its channel, on one core (null: any) where the system can pin. */
export function startNode(
  file: string,
  args: string[],
  core: number | null,
  env: NodeJS.ProcessEnv = process.env,
): BenchProcess {
  return startPinned([process.execPath, path.resolve(import.meta.dirname, file), ...args], core, 'inherit', env)
}

/** Starts any program so. */
export function startPinned(
  command: string[],
  core: number | null,
  output: 'inherit' | 'ignore',
  env: NodeJS.ProcessEnv = process.env,
): BenchProcess {
  const [binary, ...args] = canPin && core !== null ? ['taskset', '-c', String(core), ...command] : command
  // taskset replaces itself by the command: the process id is the command's.
  const child = spawn(binary as string, args, { stdio: ['ignore', output, output, 'ipc'], env })
  return { child, pid: child.pid as number }
}

/** The next message of a process; its exit rejects. */
export function messageOf<T>({ child }: BenchProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message as T)
    })
  })
}

export interface CpuTime {
  /** Seconds, to the nanosecond: the scheduler's own count, over all threads. */
  total: number
  /** Seconds, in ticks of usually 10 ms. */
  user: number
  system: number
}

/** CPU time that the operating system has accounted to a process so far (Linux: /proc). */
export function cpuTime(pid: number): CpuTime {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const seconds = (field: number): number => Number(fields[field]) / ticksPerSecond
  return { total: nanoseconds / 1e9, user: seconds(11), system: seconds(12) }
}

/** CPU time of a process so far, over all of its threads, in seconds. */
export function cpuSeconds(pid: number): number {
  return cpuTime(pid).total
}

/** The same with its children, those that have ended too. */
export function cpuSecondsOfTree(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  let seconds = cpuSeconds(pid) + (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
  for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)) {
    try {
      seconds += cpuSecondsOfTree(Number(child))
    } catch {
      // It has ended since.
    }
  }
  return seconds
}
