import { spawn, type ChildProcess } from 'node:child_process'
import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { waitFor } from '@apigate/testing'

/** One process of the system, that can be killed, stopped and started again with the same settings and data. */
export interface Part {
  readonly name: string
  /** Of the process that runs; undefined without one. */
  readonly pid: number | undefined
  start(): Promise<void>
  /** SIGKILL, to the process and its children. */
  kill(): Promise<void>
  /** SIGTERM. Resolves with the exit code when it has ended; null: a signal ended it. */
  end(): Promise<number | null>
  /** SIGSTOP until `resume`. */
  pause(): void
  resume(): void
}

export interface PartOptions {
  name: string
  file: string
  args: string[]
  env?: NodeJS.ProcessEnv
  logFile: string
  /** It answers here when it works: an HTTP URL, or a port that takes connections. */
  ready: string | number
}

const startupMs = 60_000

export function partOf({ name, file, args, env = process.env, logFile, ready }: PartOptions): Part {
  let child: ChildProcess | null = null
  const signal = (which: NodeJS.Signals): void => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    try {
      process.kill(-child.pid, which)
    } catch {
      // It has just ended.
    }
  }
  const ended = async (which: NodeJS.Signals): Promise<number | null> => {
    const ending = child
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return ending?.exitCode ?? null
    const exit = new Promise<number | null>((resolve) => ending.once('exit', resolve))
    signal(which)
    return exit
  }
  return {
    name,
    get pid() {
      return child?.pid
    },
    async start() {
      const log = openSync(logFile, 'a')
      // A process group of its own, so that a signal reaches its children too.
      const started = spawn(file, args, { env, stdio: ['ignore', log, log], detached: true })
      child = started
      started.on('error', () => {})
      await waitFor(() => answers(ready), { timeoutMs: startupMs, what: `${name}, see ${logFile}:` })
    },
    kill: async () => void (await ended('SIGKILL')),
    end: () => ended('SIGTERM'),
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
  }
}

async function answers(ready: string | number): Promise<boolean> {
  if (typeof ready === 'string') return (await fetch(ready, { signal: AbortSignal.timeout(2_000) })).ok
  return new Promise((resolve) => {
    const socket = connect(ready, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
