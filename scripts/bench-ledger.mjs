// `npm run bench:ledger`: events per second from spool to ledger, beside a bare insert; see bench/README.md.
import { provideServers } from './debian-packages.mjs'

provideServers({ 'nats-server': 'to tell workers of marks', 'redis-server': 'as the queue' })
await import('../bench/ledger.ts')
