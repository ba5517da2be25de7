// `npm run record-contracts`: writes down what this version's processes send each other; see docs/upgrade.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'to listen to it', 'redis-server': 'to look into the queue' })
await import('../test/contracts/record.ts')
