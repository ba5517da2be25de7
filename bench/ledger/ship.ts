import { createLogger, openFleetBus, openUsageQueue } from '@apigate/platform'
import { openUsageSpool, startUsageShipper } from '../../apps/proxy/src/usage/index.ts'

/**
 * Ships what a worker left in its spool: the worker's own code, with the queue on Redis and marks over NATS. Arguments: folder,
 * Redis, NATS. Begins at a message, and says when the ledger has acknowledged everything.
 */
const [dir = '', redisUrl = '', natsUrl = ''] = process.argv.slice(2)
const config = { databaseUrl: null, redisUrl, natsUrl }
const log = createLogger({ name: 'ship', level: 'warn' })
const spool = await openUsageSpool({
  ...{ dir, worker: 'bench', segmentBytesMax: 16 << 20, diskBytesMax: 2 ** 36, log },
})
const queue = openUsageQueue(config, log)
const bus = openFleetBus(config, log)
await bus.onMark('bench', (mark) => spool.acknowledge(mark))

process.on('message', () => {
  const shipper = startUsageShipper({ spool, queue, log })
  const timer = setInterval(() => {
    if (spool.pendingEvents > 0) return
    clearInterval(timer)
    process.send?.({ done: true })
    void shipper
      .close()
      .then(() => Promise.all([spool.close(), queue.close(), bus.close()]))
      .then(() => process.disconnect?.())
  }, 5)
})
process.send?.({ pendingEvents: spool.pendingEvents })
