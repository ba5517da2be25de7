import { describe, expect, it } from 'vitest'
import { StreamFacts } from './stream-facts.ts'

const event = (data: object, type = ''): string => `${type && `event: ${type}\n`}data: ${JSON.stringify(data)}\n\n`

function facts(stream: string): StreamFacts {
  const all = new StreamFacts()
  all.push(stream)
  const single = new StreamFacts()
  for (const char of stream) single.push(char)
  expect([single.events, single.last, single.usage]).toEqual([all.events, all.last, all.usage])
  return all
}

const chatUsage = {
  prompt_tokens: 21,
  completion_tokens: 9,
  total_tokens: 30,
  prompt_tokens_details: { cached_tokens: 16 },
  completion_tokens_details: { reasoning_tokens: 4 },
}
const chunk = (choices: object[], usage?: object | null): string =>
  event({ object: 'chat.completion.chunk', choices, usage })
const says = (content: string): object => ({ index: 0, delta: { content } })

describe('StreamFacts', () => {
  it('takes the usage of chat completions from the chunk that has one', () => {
    const stream = `${chunk([])}${chunk([says('Hel')], null)}${chunk([says('lo')], null)}${chunk([], chatUsage)}data: [DONE]\n\n`
    const { events, last, usage } = facts(stream)
    expect(usage).toEqual({
      ...{ input_tokens: 21, output_tokens: 9, total_tokens: 30 },
      ...{ cached_tokens: 16, reasoning_tokens: 4 },
    })
    expect(events).toBe(5)
    expect(last).toMatchObject({ choices: [], usage: chatUsage })
  })

  it('overwrites a running total, and adds nothing up', () => {
    const running = [1, 2, 3].map((n) =>
      chunk([says('x')], { prompt_tokens: 5, completion_tokens: n, total_tokens: 5 + n }),
    )
    expect(facts(running.join('')).usage).toEqual({ input_tokens: 5, output_tokens: 3, total_tokens: 8 })
  })

  it('takes the usage of responses from the event that ends them, failed ones have none', () => {
    const created = event({ type: 'response.created', response: { usage: null } }, 'response.created')
    const usage = {
      input_tokens: 7,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 11,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 18,
    }
    const end = (type: string, of: object | null): string => event({ type, response: { usage: of } }, type)
    for (const type of ['response.completed', 'response.incomplete']) {
      expect(facts(created + end(type, usage)).usage).toEqual({
        ...{ input_tokens: 7, output_tokens: 11, total_tokens: 18, cached_tokens: 0, reasoning_tokens: 2 },
      })
    }
    expect(facts(created + end('response.failed', null)).usage).toBeNull()
  })

  it('takes the usage of messages from their start and from every delta after it', () => {
    const start = event(
      {
        type: 'message_start',
        message: { usage: { input_tokens: 40, cache_read_input_tokens: 100, output_tokens: 1, service_tier: 'x' } },
      },
      'message_start',
    )
    const delta = (usage: object): string => event({ type: 'message_delta', delta: {}, usage }, 'message_delta')
    expect(facts(start).usage).toEqual({
      ...{ input_tokens: 40, cache_read_input_tokens: 100, output_tokens: 1, total_tokens: 141 },
    })
    const all = facts(start + delta({ output_tokens: 5, input_tokens: null }) + delta({ output_tokens: 12 }))
    expect(all.usage).toEqual({
      ...{ input_tokens: 40, cache_read_input_tokens: 100, output_tokens: 12, total_tokens: 152 },
    })
  })

  it('takes the usage of Gemini from its last chunk', () => {
    const of = (count: object): string => event({ candidates: [], usageMetadata: count })
    const stream =
      of({ promptTokenCount: 3 }) + of({ promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 })
    expect(facts(stream).usage).toEqual({ input_tokens: 3, output_tokens: 4, total_tokens: 7 })
  })

  it.each([
    ['nothing', ''],
    ['no event', 'data: {"usage":{"input_tokens":1}}\n'],
    ['no JSON', 'data: "usage\n\n'],
    ['text that speaks of usage', event({ choices: [says('"usage":{"input_tokens":9}')] })],
    ['numbers that are none', event({ usage: { input_tokens: '9', output_tokens: -1, total_tokens: null } })],
    ['usage of another shape', event({ usage: [1], message: 'usage', response: null })],
    ['a prototype', 'data: {"__proto__":{"usage":{"input_tokens":1}},"usage":0}\n\n'],
  ])('has no usage of %s', (_what, stream) => {
    expect(facts(stream).usage).toBeNull()
  })

  it('gives the last event as JSON where it is, and as text where not', () => {
    expect(facts('').last).toBeNull()
    expect(facts('data: 1\n\ndata: {"a":[1]}\n\n').last).toEqual({ a: [1] })
    expect(facts('data: {"a":1}\n\ndata: bye\n\n').last).toBe('bye')
    expect(facts('data: {"a":1}\n\ndata: [DONE]\n\n')).toMatchObject({ last: { a: 1 }, events: 2 })
  })
})
