import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameCounter } from './frame.counter.ts'

interface Frame {
  opcode: number
  isFinal: boolean
  isMasked: boolean
  length: number
}

function bytesOf({ opcode, isFinal, isMasked, length }: Frame): Buffer {
  const mask = isMasked ? 128 : 0
  const extended = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8)
  if (extended.length === 2) extended.writeUInt16BE(length)
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(length))
  const short = [length, 126, 127][[0, 2, 8].indexOf(extended.length)]!
  const head = Buffer.from([(isFinal ? 128 : 0) | opcode, mask | short])
  return Buffer.concat([head, extended, Buffer.alloc((isMasked ? 4 : 0) + length, 0x81)])
}

const frames = fc.array(
  fc.record<Frame>({
    opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
    isFinal: fc.boolean(),
    isMasked: fc.boolean(),
    length: fc.oneof(fc.nat({ max: 130 }), fc.constantFrom(65_535, 65_536, 70_000)),
  }),
  { maxLength: 8 },
)

test('messages are the final frames that are no control frames, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat({ max: 400 }), { maxLength: 10 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(bytesOf))
      const counter = new FrameCounter()
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        counter.read(bytes.subarray(at, at + cut))
        at = Math.min(at + cut, bytes.length)
      }
      expect(counter.messages).toBe(sent.filter(({ isFinal, opcode }) => isFinal && opcode < 8).length)
      expect(counter.isAtBoundary).toBe(true)
    }),
  )
})

test('the way to the next boundary is what is left of the frame', () => {
  const bytes = bytesOf({ opcode: 1, isFinal: true, isMasked: true, length: 300 })
  for (const cut of [1, 2, 3, 5, 9, 200, bytes.length - 1]) {
    const counter = new FrameCounter()
    counter.read(bytes.subarray(0, cut))
    expect(counter.isAtBoundary).toBe(false)
    expect(counter.bytesToBoundary(Buffer.concat([bytes.subarray(cut), bytes]))).toBe(bytes.length - cut)
    expect(counter.bytesToBoundary(bytes.subarray(cut, -1))).toBe(bytes.length - cut - 1)
  }
  expect(new FrameCounter().bytesToBoundary(bytes)).toBe(0)
})
