import { createHmac } from 'node:crypto'

/**
 * The headers of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md),
 * with a signature for each secret that is valid, and `x-webhook-signature` for receivers that check the body alone.
 *
 * @param secrets `whsec_…`, the newest first. @param atMs of this attempt: a receiver refuses what is minutes old.
 */
export function signatureHeaders(
  id: string,
  atMs: number,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1_000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
    'x-webhook-signature': createHmac('sha256', secrets[0] ?? '')
      .update(body)
      .digest('hex'),
  }
}
