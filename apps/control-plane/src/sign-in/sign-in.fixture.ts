import { startTestApi, type ApiAnswer, type TestApi } from '../api.fixture.ts'

export const password = 'correct horse battery staple'
/** What makes a call of `TestApi` one without the admin key. */
export const stranger = { 'x-api-key': undefined }

export interface SignedIn {
  id: string
  cookie: string
  csrf: string
  call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown, headers?: object): Promise<ApiAnswer>
}

/** An API that believes in `X-Forwarded-*`, so that tests can come from any address. */
export interface SignInApi extends TestApi {
  /** A sign-in, from an address that no other one comes from, unless `headers` say otherwise. */
  logIn(body: unknown, headers?: Record<string, string | undefined>): Promise<ApiAnswer>
  /** Makes an admin account with `password`. */
  createAdmin(name: string): Promise<{ id: string; email: string }>
  signIn(email: string, secret?: string): Promise<SignedIn>
}

export async function startSignInApi(settings: Record<string, string> = {}): Promise<SignInApi> {
  const api = await startTestApi({ APIGATE_TRUSTED_PROXIES: '127.0.0.1', ...settings })
  let addresses = 0
  const logIn: SignInApi['logIn'] = (body, headers = {}) => {
    const address = `198.51.${++addresses >> 8}.${addresses & 255}`
    return api.call('POST', '/auth/login', body, { ...stranger, 'x-forwarded-for': address, ...headers })
  }
  return {
    ...api,
    logIn,
    async createAdmin(name) {
      const account = { id: `usr_${name}`, email: `${name}@example.com` }
      await api.create('users', { ...account, role: 'admin', password })
      return account
    },
    async signIn(email, secret = password) {
      const { status, headers, document } = await logIn({ email, password: secret })
      if (status !== 201) throw new Error(`${status} ${JSON.stringify(document)}`)
      const cookie = String(headers['set-cookie']).split(';', 1)[0] ?? ''
      const csrf: string = document.data.meta.csrf_token
      return {
        ...{ id: document.data.id, cookie, csrf },
        call: (method, url, body, more = {}) =>
          api.call(method, url, body, { ...stranger, cookie, 'x-csrf-token': csrf, ...more }),
      }
    },
  }
}
