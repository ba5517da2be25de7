import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventDataCharsMax, SseReader, type SseEvent } from './sse-reader.ts'

function read(...pieces: string[]): SseEvent[] {
  const events: SseEvent[] = []
  const reader = new SseReader((event) => events.push(event))
  for (const piece of pieces) reader.push(piece)
  return events
}

const data = (...pieces: string[]): (string | null)[] => read(...pieces).map((event) => event.data)

describe('SseReader', () => {
  it('reads fields as WHATWG HTML §9.2.6 says', () => {
    expect(data('data: one\n\ndata:two\n\ndata:  three\n\n')).toEqual(['one', 'two', ' three'])
    expect(data('data: a\ndata\ndata: b\n\n')).toEqual(['a\n\nb'])
    expect(data('data\n\ndata:\n\n')).toEqual(['', ''])
    expect(data(': comment\nid: 1\nretry: 5\nother: x\n\n')).toEqual([])
    expect(data(' data: not a field\n\nDATA: nor this\n\n')).toEqual([])
    expect(read('event: ping\ndata: 1\n\ndata: 2\n\n')).toEqual([
      { type: 'ping', data: '1' },
      { type: 'message', data: '2' },
    ])
    expect(read('event: nothing\n\ndata: 1\n\n')).toEqual([{ type: 'message', data: '1' }])
  })

  it.each(['\n', '\r', '\r\n'])('ends lines with %j', (end) => {
    expect(data(`data: 1${end}data: 2${end}${end}data: 3${end}${end}`)).toEqual(['1\n2', '3'])
  })

  it('passes over one byte order mark, at the start only', () => {
    expect(data('\ufeffdata: 1\n\n')).toEqual(['1'])
    expect(data('\ufeff', 'data: 1\n\n')).toEqual(['1'])
    expect(data('\ufeff\ufeffdata: 1\n\n')).toEqual([])
    expect(data('data: 1\n\n\ufeffdata: 2\n\n')).toEqual(['1'])
  })

  it('takes no event that has not ended', () => {
    expect(data('data: 1\n\ndata: 2\n')).toEqual(['1'])
  })

  it('reads the same whatever the pieces', () => {
    const part = fc.constantFrom('data', 'event', ':', ' ', 'x', '\n', '\r', '\r\n', '\n\n', '\ufeff', 'ü', '😀')
    const texts = fc.array(part, { maxLength: 60 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(texts, fc.array(fc.nat(60)), (text, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length]
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end))
        expect(read(...pieces)).toEqual(read(text))
        expect(read(...text.split(''))).toEqual(read(text))
      }),
    )
  })

  it('counts an event that is too long, and keeps nothing of it', () => {
    const long = 'x'.repeat(eventDataCharsMax)
    expect(data(`data: ${long}\n\ndata: 1\n\n`)).toEqual([null, '1'])
    expect(data(`data: ${long.slice(9)}\ndata: 0123456789\n\ndata: 1\n\n`)).toEqual([null, '1'])
    expect(data('data: ', long, long, '\n', '\n', 'data: 1\n\n')).toEqual([null, '1'])
    expect(data(`: ${long}\ndata: 1\n\n`)).toEqual(['1'])
  })
})
