import { expect, test } from 'vitest'
import { createLogger, maskShapes, type Logger } from './logger.ts'

function capture(): { log: Logger; lines: Record<string, unknown>[]; text(): string } {
  const raw: string[] = []
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => {
    raw.push(line)
    lines.push(JSON.parse(line) as Record<string, unknown>)
  }
  return { log: createLogger({ name: 'test', level: 'info', destination: { write } }), lines, text: () => raw.join('') }
}

const apiKey = `ak_${'0123456789abcdef'.repeat(4)}`

test('an entry is one JSON line with name, level, time and message', () => {
  const { log, lines } = capture()
  log.info({ revision: 7 }, 'applied\nit')
  log.debug('below the level')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({ name: 'test', level: 'info', revision: 7, msg: 'applied\nit' })
  expect(Date.parse(String(lines[0]?.['time']))).not.toBeNaN()
})

test('secret fields are redacted at any depth and in any spelling, also in child bindings and error properties', () => {
  const { log, text } = capture()
  const headers = { Authorization: 'hidden-1', 'X-Api-Key': 'hidden-2', cookie: ['hidden-3'], accept: 'shown-1' }
  log.info({ request: { headers, body: [{ password: 'hidden-4', authValue: 'hidden-5' }] }, token: 'hidden-6' })
  log.child({ secret: 'hidden-7', worker: 'shown-2' }).info('x')
  log.error({ err: Object.assign(new Error('shown-3'), { context: { auth_value: 'hidden-8' } }) })
  expect(text()).not.toContain('hidden')
  expect(text()).toContain('shown-1')
  expect(text()).toContain('shown-2')
  expect(text()).toContain('shown-3')
})

test('keys and passwords within messages are masked', () => {
  const { log, lines, text } = capture()
  log.error(
    { err: new Error(`no such key ${apiKey}`) },
    `cannot reach postgresql://app:pa55word@db:5432/x with ${apiKey}`,
  )
  expect(text()).not.toContain('0123456789abcdef')
  expect(text()).not.toContain('pa55word')
  expect(lines[0]?.['msg']).toBe('cannot reach postgresql://app:[redacted]@db:5432/x with ak_[redacted]')
})

test.each([
  ['redis://:sesame@h', 'redis://:[redacted]@h'],
  ['nats://a:b@c,nats://d:e@f', 'nats://a:[redacted]@c,nats://d:[redacted]@f'],
  ['"https://h:80/x" and mail a@b', '"https://h:80/x" and mail a@b'],
  ['https://a@b/c', 'https://a@b/c'],
])('of %s is shown %s', (text, shown) => {
  expect(maskShapes(text)).toBe(shown)
})

test.each(['a.', 'x://y:', '://', '@://', 'ak_', 'Bearer ', '"://a:'])(
  'half a million characters of %j that a stranger has sent hold nobody up',
  (part) => {
    // By a pattern that looks at them again and again it would be minutes.
    const text = part.repeat(500_000 / part.length)
    expect(maskShapes(text).length).toBeGreaterThan(0)
  },
)

test('what refers to itself is cut, not followed', () => {
  const { log, lines } = capture()
  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  log.info({ loop })
  expect(JSON.stringify(lines[0])).toContain('[too deep]')
})
