// `npm run chaos -- --seed N --kills N`: kills parts of a whole system at random and compares what clients got with what the
// ledger has; see CONTRIBUTING.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'to kill it', 'redis-server': 'to kill it' })
await import('../test/chaos/main.ts')
