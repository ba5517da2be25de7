import { spawnSync } from 'node:child_process'
import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findProgram, programEnv } from '../../scripts/debian-packages.mjs'
import { modes, startSystem, type RunningSystem } from './system.ts'

describe.each(modes)('%s: clients that were not written for it', (mode) => {
  let system: RunningSystem
  beforeAll(async () => {
    system = await startSystem(mode)
  })
  afterAll(() => system?.stop())

  test('curl sends a body and gets it back', () => {
    const args = ['-sS', '--data-binary', '@-', '-H', `Authorization: Bearer ${system.sampleKey}`]
    const { stdout, stderr } = spawnSync('curl', [...args, `${system.proxyUrl}/echo/curl?a=%20b`], {
      input: 'x'.repeat(200_000),
      encoding: 'utf8',
    })
    const said = JSON.parse(stdout || stderr)
    expect(said).toMatchObject({ method: 'POST', url: '/curl?a=%20b', body_bytes: 200_000 })
    expect(said.headers.authorization).toBeUndefined()
  })

  test('fetch streams a request body and reads a large answer', async () => {
    const response = await fetch(`${system.proxyUrl}/echo/bytes/3000000`, {
      headers: { 'x-api-key': system.sampleKey },
    })
    expect((await response.arrayBuffer()).byteLength).toBe(3_000_000)
    const blocks = [new Uint8Array(70_000), new Uint8Array(5)]
    const upload = await fetch(`${system.proxyUrl}/echo/upload`, {
      method: 'PUT',
      headers: { 'x-api-key': system.sampleKey },
      body: new ReadableStream({
        pull(controller) {
          const block = blocks.shift()
          if (block) controller.enqueue(block)
          else controller.close()
        },
      }),
      duplex: 'half',
    })
    expect(await upload.json()).toMatchObject({ method: 'PUT', body_bytes: 70_005 })
  })

  test('a browser uses EventSource and WebSocket', async () => {
    const browser = await launchBrowser()
    try {
      const page = await browser.newPage()
      await page.goto(`${system.proxyUrl}/try/demo`)
      // Attached, not visible: a minimal system has no fonts to show text with.
      await page.getByText('{"n":3,"of":3}').waitFor({ state: 'attached' })
      await page.getByText('closed 1005').waitFor({ state: 'attached' })
      expect(await page.locator('#events').textContent()).toMatch(
        /^\{"n":1,"of":3\}\n\{"n":2,"of":3\}\n\{"n":3,"of":3\}/,
      )
      expect(await page.locator('#socket').textContent()).toContain('hello')
    } finally {
      await browser.close()
    }
  })

  test('a browser that has signed in writes from a page of the API, not from a neighbour’s', async () => {
    const [, email, password] = /sign in {4}(\S+), password (\S+) /.exec(system.printed) ?? []
    const browser = await launchBrowser()
    try {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(`${system.adminUrl}/healthz`)
      const send = (method: string, url: string, body: object | null) =>
        page.evaluate(
          async ([method, url, body]) => {
            const headers = { 'content-type': 'application/json' }
            return (await fetch(url, { method, headers, body: body && JSON.stringify(body) })).status
          },
          [method, url, body] as const,
        )
      expect(await send('POST', '/auth/login', { email, password })).toBe(201)
      expect(await page.evaluate('document.cookie')).toBe('')
      expect(await send('GET', '/auth/me', null)).toBe(200)
      expect(await send('POST', '/api/plans', {})).toBe(422)

      // Another port is another origin, but the same site: the cookie goes along.
      const neighbour = await context.newPage()
      await neighbour.goto(`${system.proxyUrl}/try/demo`)
      const refused = neighbour.waitForResponse(`${system.adminUrl}/auth/logout`)
      await neighbour.evaluate(
        (url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }),
        `${system.adminUrl}/auth/logout`,
      )
      expect((await refused).status()).toBe(403)
      expect(await send('GET', '/auth/me', null)).toBe(200)
      expect(await send('POST', '/auth/logout', null)).toBe(204)
      expect(await send('GET', '/auth/me', null)).toBe(401)
    } finally {
      await browser.close()
    }
  })

  test('a WebSocket client with a key gets through, one without is refused', async () => {
    const address = `${system.proxyUrl.replace('http', 'ws')}/socket/x`
    const opened = await socketOutcome(address, { 'x-api-key': system.sampleKey })
    expect(opened).toBe('hello')
    expect(await socketOutcome(address, {})).toBe('refused')
  })
})

function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium-headless-shell'),
    env: programEnv(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
}

/** What a WebSocket that sends `hello` receives after the greeting, or `refused`. */
function socketOutcome(address: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    // Node's own client; `headers` is its extension of the browsers' interface.
    const socket = new WebSocket(address, { headers })
    let received = 0
    socket.addEventListener('open', () => socket.send('hello'))
    socket.addEventListener('error', () => resolve('refused'))
    socket.addEventListener('message', (event) => {
      received += 1
      if (received === 1) return
      resolve(String(event.data))
      socket.close()
    })
  })
}
