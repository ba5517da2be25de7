// `npm run soak -- --minutes N`: mixed load on a whole system while its configuration changes; see
// CONTRIBUTING.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'as a part of the system', 'redis-server': 'as a part of the system' })
await import('../test/soak/main.ts')
