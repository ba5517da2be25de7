import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

/** Seals secrets that are stored or sent: AES-256-GCM, `v1.<key id>.<base64url of nonce, ciphertext, tag>`. */
export interface Sealer {
  seal(text: string): string
  /** @throws SealError when the key is another one or the envelope was changed; it never holds the text. */
  open(sealed: string): string
}

export class SealError extends Error {
  override readonly name = 'SealError'
}

const nonceBytes = 12
const tagBytes = 16

/**
 * A sealer for one key. The key's id is derived from it, so that an envelope of a rotated key is told from a damaged one.
 *
 * @param encryptionKey 32 random bytes in base64 (`APIGATE_ENCRYPTION_KEY`).
 * @throws SealError when it is not that.
 */
export function createSealer(encryptionKey: string): Sealer {
  const key = Buffer.from(encryptionKey, 'base64')
  if (key.length !== 32 || key.toString('base64') !== encryptionKey.trim()) {
    throw new SealError(`the encryption key must be 32 bytes in base64 (44 characters)`)
  }
  const keyId = createHmac('sha256', key).update('apigate key id').digest('hex').slice(0, 8)
  const header = `v1.${keyId}`

  return {
    seal(text) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(header))
      const body = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${header}.${body.toString('base64url')}`
    },
    open(sealed) {
      const [version, sealedKeyId, body, ...rest] = sealed.split('.')
      if (version !== 'v1' || sealedKeyId === undefined || body === undefined || rest.length > 0) {
        throw new SealError('not a sealed value')
      }
      if (sealedKeyId !== keyId) throw new SealError(`sealed with key ${sealedKeyId}, but the key here is ${keyId}`)
      const bytes = Buffer.from(body, 'base64url')
      if (bytes.length < nonceBytes + tagBytes) throw new SealError('the sealed value is cut short')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(header))
        .setAuthTag(bytes.subarray(-tagBytes))
      try {
        return decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        throw new SealError('the sealed value was changed')
      }
    },
  }
}
