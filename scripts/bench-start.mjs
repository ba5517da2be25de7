// `npm run bench:start`: how long a worker with a million keys takes until it is ready; see bench/README.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'as the message bus', 'redis-server': 'as the shared limits' })
await import('../bench/start.ts')
