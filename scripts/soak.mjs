// `npm run soak -- --minutes N`: mixed load on a whole system while its configuration changes; see
// CONTRIBUTING.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

for (const binary of ['nats-server', 'redis-server'])
  provideProgram({
    binary,
    packages: binary === 'redis-server' ? ['redis-server', 'redis-tools'] : undefined,
    why: 'as a part of the system',
  })
Object.assign(process.env, programEnv())
await import('../test/soak/main.ts')
