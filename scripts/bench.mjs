// `npm run bench`: CPU time per proxied request beside bare libraries; `npm run bench -- memory`: what tables take. See
// bench/README.md.
import { provideServers } from './debian-packages.mjs'

if (process.argv[2] === 'memory') await import('../bench/memory.ts')
else {
  provideServers({
    'nats-server': 'to give workers their configuration',
    'redis-server': 'for limits and as the queue',
  })
  await import('../bench/proxying.ts')
}
