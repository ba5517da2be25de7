// Keeps the processes of one `npm start` running: starts each, waits until it is ready, starts it again when it dies.
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const readyTimeoutMs = 60_000
const restartDelayMs = { first: 200, max: 5_000, forgottenAfter: 30_000 }

/**
 * @param {{ name: string, file: string, args?: string[], env: NodeJS.ProcessEnv, logFile: string, readyUrl: string,
 *   onRestart?: (name: string) => void }} options
 */
export function supervise({ name, file, args = [], env, logFile, readyUrl, onRestart = () => {} }) {
  const log = createWriteStream(logFile, { flags: 'w' })
  let tail = ''
  let child
  let stopping = false
  let delayMs = restartDelayMs.first

  function launch() {
    const startedAtMs = Date.now()
    // A process group of its own: Ctrl-C in a terminal reaches the supervisor only, which ends all in order.
    child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        tail = (tail + data).slice(-4096)
        log.write(data)
      })
    }
    child.on('exit', (code, signal) => {
      if (stopping) return
      if (Date.now() - startedAtMs > restartDelayMs.forgottenAfter) delayMs = restartDelayMs.first
      console.error(`${name} ended (${signal ?? `exit code ${code}`}); starting it again. Its log: ${logFile}`)
      setTimeout(() => {
        if (stopping) return
        launch()
        onRestart(name)
      }, delayMs)
      delayMs = Math.min(delayMs * 2, restartDelayMs.max)
    })
  }

  launch()
  return {
    name,
    pid: () => child.pid,
    async ready() {
      for (const deadline = Date.now() + readyTimeoutMs; Date.now() < deadline; await sleep(50)) {
        if (child.exitCode !== null) throw new Error(`${name} did not start:\n${tail}`)
        const response = await fetch(readyUrl, { signal: AbortSignal.timeout(2_000) }).catch(() => null)
        if (response?.ok) return
      }
      throw new Error(`${name} was not ready within ${readyTimeoutMs / 1000} s:\n${tail}`)
    },
    /** Asks, waits, then insists. */
    stop(graceMs) {
      stopping = true
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      return ended.finally(() => clearTimeout(timer))
    },
  }
}
