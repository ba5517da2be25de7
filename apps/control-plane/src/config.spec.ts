import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

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
