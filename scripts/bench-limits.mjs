// `npm run bench:limits`: what three workers admit together beside what the limit allows; see bench/README.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'as the message bus', 'redis-server': 'as the shared limits' })
await import('../bench/limits.ts')
