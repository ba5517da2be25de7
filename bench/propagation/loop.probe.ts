import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Loaded into a measured process by `--import`: measures how late its event loop is, and tells when asked over the process
 * channel. Each message begins a new measurement and is answered with the one before.
 *
 * From the message `turns` on it measures turns of the event loop by the CPU time of its thread, too, which holds nothing that
 * other processes did meanwhile. The loop never rests then.
 */
export interface LoopDelay {
  p99Ms: number
  maxMs: number
  /** CPU time of turns; none before they are measured. */
  turns: { count: number; longestMs: number; above5Ms: number; above10Ms: number }
}

const histogram = monitorEventLoopDelay({ resolution: 1 })
histogram.enable()

const noTurns = (): LoopDelay['turns'] => ({ count: 0, longestMs: 0, above5Ms: 0, above10Ms: 0 })
let turns = noTurns()
let isMeasuringTurns = false

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function measureTurn(beganMs: number): void {
  setImmediate(() => {
    const endedMs = cpuMs()
    const tookMs = endedMs - beganMs
    turns.count += 1
    turns.longestMs = Math.max(turns.longestMs, tookMs)
    if (tookMs > 5) turns.above5Ms += 1
    if (tookMs > 10) turns.above10Ms += 1
    measureTurn(endedMs)
  })
}

process.on('message', (message) => {
  const report: LoopDelay = { p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6, turns }
  histogram.reset()
  turns = noTurns()
  if (message === 'turns' && !isMeasuringTurns) {
    isMeasuringTurns = true
    measureTurn(cpuMs())
  }
  process.send?.(report)
})
// The channel alone must not keep the process.
process.channel?.unref()
