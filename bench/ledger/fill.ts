import { createLogger } from '@apigate/platform'
import { openUsageSpool } from '../../apps/proxy/src/usage/index.ts'
import { EventMaker } from './events.ts'

/** Fills a spool as a busy worker does, fifty answers in a turn of the event loop, and ends. Arguments: folder, events, keys. */
const [dir = '', events = '0', keys = '0'] = process.argv.slice(2)
const eventsInTurn = 50

const log = createLogger({ name: 'fill', level: 'warn' })
const spool = await openUsageSpool({
  ...{ dir, worker: 'bench', segmentBytesMax: 16 << 20, diskBytesMax: 2 ** 36, log },
})
const maker = new EventMaker(Number(keys))
const drafts = Array.from({ length: Number(events) }, () => maker.make())
const before = process.cpuUsage()
for (let n = 0; n < drafts.length; n += eventsInTurn) {
  for (const draft of drafts.slice(n, n + eventsInTurn)) spool.record(draft, () => {})
  await new Promise((resolve) => setImmediate(resolve))
}
const { user, system } = process.cpuUsage(before)
if (spool.lostEvents > 0) throw new Error(`${spool.lostEvents} events are lost`)
await spool.close()
process.send?.({ cpuSeconds: (user + system) / 1e6 })
process.disconnect?.()
