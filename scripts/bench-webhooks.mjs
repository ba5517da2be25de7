// `npm run bench:webhooks`: a stream of events to many webhooks, some of them dead; see bench/README.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

provideProgram({ binary: 'redis-server', packages: ['redis-server', 'redis-tools'], why: 'to carry the queue' })
Object.assign(process.env, programEnv())
await import('../bench/webhooks.ts')
