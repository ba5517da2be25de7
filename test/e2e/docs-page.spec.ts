import { chromium, type Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../../apps/control-plane/src/api.fixture.ts'
import { findProgram, programEnv } from '../../scripts/debian-packages.mjs'

let api: TestApi
let browser: Browser
beforeAll(async () => {
  api = await startTestApi()
  await api.app.listen(0, '127.0.0.1')
  browser = await chromium.launch({
    executablePath: findProgram('chromium-headless-shell'),
    env: programEnv(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  })
})
afterAll(async () => {
  await browser?.close()
  await api?.stop()
})

test('the page lists the operations, loads nothing from elsewhere, and a call can be made from it', async () => {
  const origin = await api.app.getUrl()
  const page = await browser.newPage()
  page.setDefaultTimeout(60_000)
  const asked: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  const answer = await page.goto(`${origin}/docs`)
  expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'")

  const { document } = await api.call('GET', '/openapi.json')
  await page.locator('.opblock-tag').first().waitFor({ state: 'attached' })
  expect(await page.locator('.opblock-tag').count()).toBe(document.tags.length)
  const operations = Object.values<Record<string, any>>(document.paths).flatMap((item) => Object.values(item))
  for (const tag of ['plans', 'users (/admin)']) {
    await page.locator(`.opblock-tag[data-tag="${tag}"]`).dispatchEvent('click')
    const listed = page.locator(`.opblock-tag-section:has(.opblock-tag[data-tag="${tag}"]) .opblock`)
    const count = operations.filter(({ tags }) => tags.includes(tag)).length
    await expect.poll(() => listed.count(), { timeout: 60_000 }).toBe(count)
  }

  // With a key, the plans that are there are answered.
  await page.locator('.authorize').first().dispatchEvent('click')
  await page.locator('#auth-bearer-value').fill(api.adminKey)
  await page.locator('.auth-container').first().locator('button.authorize').dispatchEvent('click')
  const operation = page.locator('[id="operations-plans-listPlans"]')
  await operation.locator('.opblock-summary-control').dispatchEvent('click')
  await operation.locator('.try-out__btn').dispatchEvent('click')
  await operation.locator('.execute').dispatchEvent('click')
  const shown = operation.locator('.live-responses-table .response .microlight').first()
  await shown.waitFor({ state: 'attached' })
  expect(await shown.textContent()).toContain('"type": "plans"')

  expect(complaints).toEqual([])
  expect(asked.filter((url) => new URL(url).origin !== origin && !url.startsWith('data:'))).toEqual([])
  expect(asked).toContain(`${origin}/openapi.json`)
}, 240_000)
