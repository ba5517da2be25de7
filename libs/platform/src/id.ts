import { randomBytes } from 'node:crypto'

export type IdPrefix =
  | 'usr'
  | 'plan'
  | 'key'
  | 'rte'
  | 'ups'
  | 'grp'
  | 'gmb'
  | 'whk'
  | 'whe'
  | 'whd'
  | 'evt'
  | 'ses'
  | 'aud'

let lastMs = -1
let lastValue = 0n

/**
 * A new id: the prefix, `_`, and 26 lower-case Crockford base32 characters of 48 bits Unix milliseconds and 80 random
 * bits (the ULID layout). Ids of one process grow, also within a millisecond and when the clock steps back: then the last
 * id plus one is taken.
 */
export function newId(prefix: IdPrefix, nowMs: number = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    lastValue = (BigInt(nowMs) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`)
  } else {
    lastValue += 1n
  }
  return `${prefix}_${crockford(lastValue)}`
}

/** JavaScript's base 32 counts 0-9a-v; Crockford's leaves out i, l, o and u. */
function crockford(value: bigint): string {
  const digits = value.toString(32).padStart(26, '0')
  return digits.replace(/[i-v]/g, (digit) => 'jkmnpqrstvwxyz'.charAt(digit.charCodeAt(0) - 'i'.charCodeAt(0)))
}
