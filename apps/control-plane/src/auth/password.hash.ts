import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * argon2id (RFC 9106) in the PHC string format: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`, both in base64 without padding.
 */

type Cost = Pick<Argon2Parameters, 'memory' | 'passes' | 'parallelism'>

/** OWASP's minimum (Password Storage Cheat Sheet): 19 MiB, two passes; some 30 ms of one core. `memory` is in KiB. */
const cost: Cost = { memory: 19_456, passes: 2, parallelism: 1 }
const saltBytes = 16
const tagBytes = 32

const phc = /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{16,86})$/
const derive = promisify(argon2)

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const tag = await tagOf(password, salt, cost, tagBytes)
  return `${prefixOf(cost)}${unpadded(salt)}$${unpadded(tag)}`
}

/** @param hash null where there is none to match: it takes as long, and is false. So does one that is not of our format. */
export async function matchesHash(password: string, hash: string | null): Promise<boolean> {
  const [, memory, passes, parallelism, salt, tag] = phc.exec(hash ?? '') ?? []
  if (salt === undefined || tag === undefined) {
    await tagOf(password, randomBytes(saltBytes), cost, tagBytes)
    return false
  }
  const stored = Buffer.from(tag, 'base64')
  const storedCost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
  return timingSafeEqual(stored, await tagOf(password, Buffer.from(salt, 'base64'), storedCost, stored.length))
}

/** Whether a hash was made at another cost than the one of today. */
export function isOutdated(hash: string): boolean {
  return !hash.startsWith(prefixOf(cost))
}

/** The same characters, however the keyboard composed them (RFC 8265 §4.1, NFKC as NIST SP 800-63B advises). */
async function tagOf(password: string, nonce: Uint8Array, cost: Cost, tagLength: number): Promise<Buffer> {
  return derive('argon2id', { ...cost, message: password.normalize('NFKC'), nonce, tagLength })
}

function prefixOf({ memory, passes, parallelism }: Cost): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$`
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
