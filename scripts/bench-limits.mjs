// `npm run bench:limits`: what three workers admit together beside what the limit allows; see bench/README.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

provideProgram({ binary: 'nats-server', why: 'as the message bus' })
provideProgram({ binary: 'redis-server', packages: ['redis-server', 'redis-tools'], why: 'as the shared limits' })
Object.assign(process.env, programEnv())
await import('../bench/limits.ts')
