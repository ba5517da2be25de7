import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'
import { TargetGuard } from './webhook-target/index.ts'

const needed = { DATABASE_URL: 'postgresql://localhost/x', APIGATE_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64') }

test('the first admin account has both an address and a password, or is not made', () => {
  expect(loadConfig(needed).admin).toBeNull()
  expect(loadConfig({ ...needed, APIGATE_ADMIN_EMAIL: '', APIGATE_ADMIN_PASSWORD: '' }).admin).toBeNull()
  const admin = { APIGATE_ADMIN_EMAIL: 'a@example.com', APIGATE_ADMIN_PASSWORD: 'a good password' }
  expect(loadConfig({ ...needed, ...admin }).admin).toEqual({ email: 'a@example.com', password: 'a good password' })
})

test.each([
  [{ APIGATE_ADMIN_EMAIL: 'a@example.com' }, 'APIGATE_ADMIN_PASSWORD is not set: it goes with APIGATE_ADMIN_EMAIL'],
  [{ APIGATE_ADMIN_PASSWORD: 'a good password' }, 'APIGATE_ADMIN_EMAIL is not set'],
  [{ APIGATE_ADMIN_EMAIL: 'a', APIGATE_ADMIN_PASSWORD: 'a good password' }, 'APIGATE_ADMIN_EMAIL must be an e-mail'],
  [{ APIGATE_ADMIN_EMAIL: 'a@example.com', APIGATE_ADMIN_PASSWORD: 'hunter2' }, 'at least 12 characters'],
  [{ APIGATE_PUBLIC_URL: 'admin.example.com' }, 'APIGATE_PUBLIC_URL must be http or https URLs'],
  [{ APIGATE_PUBLIC_URL: 'https://a.example/admin' }, 'APIGATE_PUBLIC_URL must be http or https URLs'],
  [{ APIGATE_PUBLIC_URL: 'https://user:pw@a.example' }, 'APIGATE_PUBLIC_URL must be http or https URLs'],
  [{ APIGATE_PUBLIC_URL: 'ftp://a.example' }, 'APIGATE_PUBLIC_URL must be http or https URLs'],
])('%j is refused', (settings, problem) => {
  expect(() => loadConfig({ ...needed, ...settings })).toThrow(problem)
  expect(() => loadConfig({ ...needed, ...settings })).not.toThrow(/hunter2/)
})

test('public URLs are taken as browsers write origins', () => {
  const { publicOrigins } = loadConfig({
    ...needed,
    APIGATE_PUBLIC_URL: 'https://A.example:443/, http://b.example:8080',
  })
  expect(publicOrigins).toEqual(['https://a.example', 'http://b.example:8080'])
})

test('webhooks may go to private networks when the setting says so, and not to where clouds keep credentials', async () => {
  expect(loadConfig(needed).webhookAllow).toEqual([])
  const { webhookAllow } = loadConfig({
    ...needed,
    APIGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
    APIGATE_WEBHOOK_ALLOW: '198.51.100.7',
  })
  const guard = new TargetGuard(webhookAllow)
  const isAllowed = async (host: string): Promise<boolean> =>
    guard.addressesOf(`http://${host}/`).then(
      () => true,
      () => false,
    )
  const allowed = [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '127.0.0.1',
    '[fd00::1]',
    '[::1]',
    '198.51.100.7',
  ]
  for (const host of allowed) expect([host, await isAllowed(host)]).toEqual([host, true])
  const refused = ['169.254.169.254', '[fe80::1]', '172.32.0.1', '0.0.0.0', '[::ffff:169.254.169.254]', '8.8.8.8']
  for (const host of refused) expect([host, await isAllowed(host)]).toEqual([host, false])
})
