import { describe, expect, it } from 'vitest'
import { aMeteringContext } from '../../test/a-metering-context.ts'
import {
  compileMeter,
  expressionUnits,
  meteredUnits,
  type Meter,
  type MeterConfig,
  type MeterProblem,
} from './meter.ts'
import type { MeteringContext } from './metering-context.ts'

const compiled = (over: Partial<MeterConfig>): Meter | MeterProblem =>
  compileMeter({ meteringMode: 'custom', meteringExpr: null, protocol: 'http', ...over })

function meter(over: Partial<MeterConfig>): Meter {
  const meter = compiled(over)
  if ('field' in meter) throw new Error(meter.message)
  return meter
}

const cost = (meteringExpr: string, context: Partial<MeteringContext> = {}) =>
  expressionUnits(meter({ meteringExpr }).expression!, aMeteringContext(context))

describe('a meter', () => {
  it('counts a request as one unit, and bytes as those of both bodies', () => {
    expect(meteredUnits('request', { requestBytes: 10, responseBytes: 20 })).toBe(1)
    expect(meteredUnits('bytes', { requestBytes: 10, responseBytes: 20 })).toBe(30)
    expect(meter({ meteringMode: 'bytes' })).toMatchObject({ mode: 'bytes', expression: null })
    const kilobytes = meter({ meteringMode: 'bytes', meteringExpr: 'responseBytes / 1000' })
    expect(expressionUnits(kilobytes.expression!, aMeteringContext({ responseBytes: 2001 })).units).toBe(3)
  })

  it.each([
    ['0.1', 1],
    ['2', 2],
    ['2.000001', 3],
    ['1.1 * 10', 11],
    ['0.1 * 3 * 10', 3],
    ['-5', 0],
    ['-0.5', 0],
    ['0', 0],
    ['1e15', 1e15],
  ])('rounds %s up to %d', (meteringExpr, units) => {
    expect(cost(meteringExpr)).toEqual({ units, error: null })
  })

  it('costs one unit when the expression has no result, and says why', () => {
    expect(cost('response.body.usage.total_tokens')).toEqual({ units: 1, error: 'result_is_no_number' })
    expect(cost('response.body.usage.total_tokens * 2')).toEqual({ units: 1, error: 'null_in_arithmetic' })
    const broken = Object.defineProperty(aMeteringContext(), 'status', {
      get() {
        throw new TypeError('a bug')
      },
    })
    expect(expressionUnits(meter({ meteringExpr: 'status' }).expression!, broken)).toEqual({
      units: 1,
      error: 'failed',
    })
  })

  it('says what it reads', () => {
    const reads = (meteringExpr: string) => meter({ meteringExpr }).reads
    expect(reads('status + latencyMs')).toEqual({
      requestBody: false,
      responseBody: false,
      sse: false,
      messages: false,
    })
    expect(reads('request.body.n + respBody.n')).toEqual({
      requestBody: true,
      responseBody: true,
      sse: false,
      messages: false,
    })
    expect(reads('sse.usage.total_tokens ?? 0')).toEqual({
      requestBody: false,
      responseBody: false,
      sse: true,
      messages: false,
    })
  })

  it.each([
    [{ meteringMode: 'custom' }, 'is required with metering_mode "custom"'],
    [{ meteringMode: 'response_field' }, 'is required'],
    [{ meteringMode: 'request', meteringExpr: '1' }, 'is not used with metering_mode "request"'],
    [{ meteringExpr: 'status +' }, 'is wrong at character 9: the expression ends'],
    [{ meteringExpr: '' }, 'is wrong at character 1'],
    [{ meteringExpr: 'messagesIn' }, 'protocol "http" does not have'],
    [{ meteringExpr: 'sse.events', protocol: 'websocket' }, 'protocol "websocket" does not have'],
    [{ meteringExpr: 'request.body.n', protocol: 'websocket' }, 'protocol "websocket" does not have'],
  ] as const)('is refused for %j', (over, message) => {
    expect(compiled(over)).toEqual({ field: 'metering_expr', message: expect.stringContaining(message) })
  })

  it('reads messages of a WebSocket, and streams and bodies of everything else', () => {
    const { expression } = meter({ meteringExpr: 'messagesIn + messagesOut', protocol: 'websocket' })
    expect(expressionUnits(expression!, aMeteringContext({ messagesIn: 2, messagesOut: 3 })).units).toBe(5)
    for (const protocol of ['http', 'http_stream', 'sse'] as const)
      expect(compiled({ meteringExpr: 'sse.usage.total_tokens ?? response.body.n', protocol })).toHaveProperty('reads')
  })
})
