// `npm run chaos -- --seed N --kills N`: kills parts of a whole system at random and compares what clients got with what the
// ledger has; see CONTRIBUTING.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

for (const binary of ['nats-server', 'redis-server'])
  provideProgram({
    binary,
    packages: binary === 'redis-server' ? ['redis-server', 'redis-tools'] : undefined,
    why: 'to kill it',
  })
Object.assign(process.env, programEnv())
await import('../test/chaos/main.ts')
