// `npm run bench:webhooks`: a stream of events to many webhooks, some of them dead; see bench/README.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'redis-server': 'to carry the queue' })
await import('../bench/webhooks.ts')
