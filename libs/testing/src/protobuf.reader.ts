/** How a field of a message is read: a scalar, or a message of its own. `many` = it may come again. */
export interface Field {
  name: string
  type: 'text' | 'hex' | 'varint' | 'fixed64' | 'fixed32' | 'double' | 'packed-fixed64' | 'packed-double' | Message
  many?: boolean
}

/** Fields by number; others are passed over. */
export type Message = Readonly<Record<number, Field>>

/** Reads a protobuf message. Numbers of 64 bits become numbers: nothing here needs the last of their digits. */
export function readProtobuf(bytes: Buffer, message: Message): Record<string, any> {
  const result: Record<string, any> = {}
  for (const field of Object.values(message)) if (field.many) result[field.name] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const skip = (count: number): Buffer => bytes.subarray(at, (at += count))
  while (at < bytes.length) {
    const tag = varint()
    const wireType = tag & 7
    const raw = wireType === 0 ? varint() : skip(wireType === 1 ? 8 : wireType === 5 ? 4 : varint())
    const field = message[Math.floor(tag / 8)]
    if (field === undefined) continue
    const value = typeof raw === 'number' ? raw : valueOf(raw, field.type)
    if (field.many) result[field.name].push(value)
    else result[field.name] = value
  }
  return result
}

function valueOf(raw: Buffer, type: Field['type']): unknown {
  if (typeof type === 'object') return readProtobuf(raw, type)
  if (type === 'text') return raw.toString()
  if (type === 'hex') return raw.toString('hex')
  if (type === 'double') return raw.readDoubleLE()
  if (type === 'fixed32') return raw.readUInt32LE()
  if (type === 'fixed64') return Number(raw.readBigUInt64LE())
  const words = Array.from({ length: raw.length / 8 }, (_, n) => raw.subarray(n * 8, n * 8 + 8))
  return words.map((word) => (type === 'packed-double' ? word.readDoubleLE() : Number(word.readBigUInt64LE())))
}
