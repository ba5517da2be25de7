// `npm run record-contracts`: writes down what this version's processes send each other; see docs/upgrade.md.
import { programEnv, provideProgram } from './debian-packages.mjs'

provideProgram({ binary: 'nats-server', why: 'to listen to it' })
provideProgram({ binary: 'redis-server', packages: ['redis-server', 'redis-tools'], why: 'to look into the queue' })
Object.assign(process.env, programEnv())
await import('../test/contracts/record.ts')
