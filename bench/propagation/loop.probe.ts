import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * Loaded into a measured process by `--import`: measures how late its event loop is, and tells when asked over the process
 * channel. Each message begins a new measurement and is answered with the one before.
 */
const histogram = monitorEventLoopDelay({ resolution: 1 })
histogram.enable()

process.on('message', () => {
  const report: LoopDelay = { p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6 }
  histogram.reset()
  process.send?.(report)
})
// The channel alone must not keep the process.
process.channel?.unref()

export interface LoopDelay {
  p99Ms: number
  maxMs: number
}
