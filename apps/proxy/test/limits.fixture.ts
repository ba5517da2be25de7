import { createLogger } from '@apigate/platform'
import { LeasedLimits } from '../src/limits/leased.limits.ts'
import { MemoryLimitStore } from '../src/limits/memory.store.ts'

/** A store of one worker, whose ledger is empty. */
export function memoryStore(nowMs?: () => number): MemoryLimitStore {
  return new MemoryLimitStore((periods) => periods.map(() => 0), undefined, nowMs)
}

/** The limits of a worker that is alone. */
export function memoryLimits(nowMs?: () => number): LeasedLimits {
  const log = createLogger({ name: 'test', level: 'silent' })
  return new LeasedLimits({ store: memoryStore(nowMs), fallback: 'local', workers: () => 1, log, nowMs })
}
