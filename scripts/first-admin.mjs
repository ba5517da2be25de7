// Somebody to sign in as. With APIGATE_ADMIN_PASSWORD the API makes the account by itself.
import { randomBytes } from 'node:crypto'
import { call } from './admin-call.mjs'

/**
 * Makes an admin account on an installation where nobody can sign in.
 *
 * @returns {Promise<string | null>} its password, which is nowhere else; null when somebody can sign in already.
 */
export async function provideAdmin({ adminUrl, adminKey, email }) {
  const { meta } = await call(adminUrl, adminKey, 'GET', '/auth/setup-required')
  if (!meta.setup_required) return null
  const password = randomBytes(15).toString('base64url')
  await call(adminUrl, adminKey, 'POST', '/api/users', { email, name: 'Admin', role: 'admin', password })
  return password
}
