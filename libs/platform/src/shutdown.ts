import type { Logger } from './logger.ts'
import { within } from './transport/retry.ts'

export interface ShutdownStep {
  name: string
  run(): Promise<void> | void
  /** For a step that waits for others (a lock in the database, a server that hangs): it counts as failed after this. */
  timeoutMs?: number
}

/**
 * On SIGTERM or SIGINT runs the steps in order, once, then exits: 0, or 1 when a step failed (the later ones still run).
 * A second signal exits at once with 1.
 *
 * @returns starts the same by hand, e.g. after a fatal error: `stop(1)` exits with 1 at best.
 */
export function shutdownOnSignal(log: Logger, steps: readonly ShutdownStep[]): (exitCode?: number) => Promise<never> {
  let stopping: Promise<never> | null = null

  async function run(exitCode: number): Promise<never> {
    let code = exitCode
    for (const step of steps) {
      try {
        const done = Promise.resolve(step.run())
        await (step.timeoutMs === undefined ? done : within(step.timeoutMs, done, 'it took too long'))
      } catch (error) {
        code = 1
        log.error({ err: error, step: step.name }, 'a shutdown step failed')
      }
    }
    log.info('stopped')
    process.exit(code)
  }

  const stop = (exitCode = 0): Promise<never> => (stopping ??= run(exitCode))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping !== null) {
        log.warn({ signal }, 'second signal: exiting at once')
        process.exit(1)
      }
      log.info({ signal }, 'stopping')
      void stop()
    })
  }
  return stop
}
