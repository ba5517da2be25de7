import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WebSocketMessages } from './websocket.messages.ts'

interface Frame {
  isFinal: boolean
  opcode: number
  payloadBytes: number
  isMasked: boolean
}

function bytesOf({ isFinal, opcode, payloadBytes, isMasked }: Frame): Buffer {
  const length = payloadBytes < 126 ? payloadBytes : payloadBytes < 65_536 ? 126 : 127
  const extended = Buffer.alloc(length < 126 ? 0 : length === 126 ? 2 : 8)
  if (length === 126) extended.writeUInt16BE(payloadBytes)
  if (length === 127) extended.writeBigUInt64BE(BigInt(payloadBytes))
  const head = [(isFinal ? 0x80 : 0) | opcode, (isMasked ? 0x80 : 0) | length]
  return Buffer.concat([
    Buffer.from(head),
    extended,
    Buffer.alloc(isMasked ? 4 : 0, 0xff),
    Buffer.alloc(payloadBytes, 0x81),
  ])
}

function counted(chunks: readonly Buffer[]): number {
  const messages = new WebSocketMessages()
  for (const chunk of chunks) messages.read(chunk)
  return messages.count
}

const frame = (over: Partial<Frame>): Buffer =>
  bytesOf({ isFinal: true, opcode: 1, payloadBytes: 3, isMasked: false, ...over })

test('counts messages when they are whole: fragments as one, control frames not at all', () => {
  expect(counted([frame({}), frame({ opcode: 2, payloadBytes: 0 })])).toBe(2)
  expect(counted([frame({ isFinal: false }), frame({ opcode: 9 }), frame({ opcode: 0 })])).toBe(1)
  expect(counted([frame({ opcode: 8 }), frame({ opcode: 9 }), frame({ opcode: 10, payloadBytes: 0 })])).toBe(0)
  expect(counted([frame({}).subarray(0, 4)])).toBe(0)
  expect(counted([frame({ payloadBytes: 70_000, isMasked: true }), frame({ payloadBytes: 200 })])).toBe(2)
})

test('counts the same whatever the pieces', () => {
  const frames = fc.array(
    fc.record({
      isFinal: fc.boolean(),
      opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
      payloadBytes: fc.constantFrom(0, 1, 5, 125, 126, 127, 300, 65_535, 65_536),
      isMasked: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  fc.assert(
    fc.property(frames, fc.constantFrom(1, 3, 1_000), (all, size) => {
      const bytes = Buffer.concat(all.map(bytesOf))
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
      const expected = all.filter(({ isFinal, opcode }) => isFinal && opcode < 8).length
      expect([counted([bytes]), counted(pieces)]).toEqual([expected, expected])
    }),
    { numRuns: 50 },
  )
})
