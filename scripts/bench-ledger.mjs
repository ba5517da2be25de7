// `npm run bench:ledger`: events per second from spool to ledger, beside a bare insert; see bench/README.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

provideProgram({ binary: 'nats-server', why: 'to tell workers of marks' })
provideProgram({ binary: 'redis-server', packages: ['redis-server', 'redis-tools'], why: 'as the queue' })
Object.assign(process.env, programEnv())
await import('../bench/ledger.ts')
