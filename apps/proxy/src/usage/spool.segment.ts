import { open, readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { usageRow, type UsageEvent } from '@apigate/contracts'

/** Records between two entries of a segment's index: what reading one batch may skip over. */
const indexStride = 256

/** A file of the spool: one record a line, `<CRC-32, 8 hex> <row>\n`, ascending by `seq`. */
export class SpoolSegment {
  readonly path: string
  /** Good bytes; the file may be longer by a torn tail. */
  bytes = 0
  first = 0
  last = 0
  #records = 0
  /** Of every `indexStride`th record, its `seq` and offset. */
  readonly #index: { seq: number; offset: number }[] = []

  constructor(path: string) {
    this.path = path
  }

  /** Notes a record that ends where the next one begins; `bytes` is its length on disk. */
  noteRecord(seq: number, bytes: number): void {
    if (this.#records % indexStride === 0) this.#index.push({ seq, offset: this.bytes })
    if (this.#records === 0) this.first = seq
    this.last = seq
    this.#records += 1
    this.bytes += bytes
  }

  /** Adds those of the events `first`..`last` that this segment holds to `events`, in order. */
  async read(first: number, last: number, events: Map<number, string>): Promise<void> {
    let start = 0
    let end = this.bytes
    for (const { seq, offset } of this.#index) {
      if (seq <= first) start = offset
      if (seq > last) {
        end = offset
        break
      }
    }
    const content = await readRange(this.path, start, end)
    for (const { seq, text } of readRecords(content)) {
      if (seq !== null && seq >= first && seq <= last) events.set(seq, rowOf(seq, text))
    }
  }
}

/** Part of a file; empty when the file is gone, since a mark may have deleted it. */
async function readRange(filePath: string, start: number, end: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(end - start)
  const file = await open(filePath, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  })
  if (!file) return Buffer.alloc(0)
  try {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/**
 * Reads a segment that an earlier process left.
 *
 * @returns the segment, every `seq` in it, and the count of lines that were not usable (a torn tail is one).
 */
export async function recoverSegment(path: string): Promise<{ segment: SpoolSegment; seqs: number[]; broken: number }> {
  const segment = new SpoolSegment(path)
  const seqs: number[] = []
  let broken = 0
  for (const { seq, bytes } of readRecords(await readFile(path))) {
    if (seq === null || seq <= segment.last) {
      broken += 1
      segment.bytes += bytes
    } else {
      segment.noteRecord(seq, bytes)
      seqs.push(seq)
    }
  }
  return { segment, seqs, broken }
}

export function recordLine(row: string): string {
  return `${crc32(row).toString(16).padStart(8, '0')} ${row}\n`
}

const newline = 0x0a
const textOffset = 9
/** What a record takes on disk beyond its row. */
export const recordOverheadBytes = textOffset + 1
/** How a record of an older version begins: it is the event as JSON. */
const jsonStart = '{"seq":'

function rowOf(seq: number, text: Buffer): string {
  const row = text.toString('utf8')
  return row.startsWith(jsonStart) ? usageRow(seq, JSON.parse(row) as UsageEvent) : row
}

/** Splits a file's content into records; `seq` is null for a line that is torn or does not match its checksum. */
function* readRecords(content: Buffer): Generator<{ seq: number | null; text: Buffer; bytes: number }> {
  let start = 0
  while (start < content.length) {
    const newlineAt = content.indexOf(newline, start)
    const end = newlineAt === -1 ? content.length : newlineAt
    const text = content.subarray(Math.min(start + textOffset, end), end)
    const isWhole =
      newlineAt !== -1 && Number.parseInt(content.toString('latin1', start, start + textOffset - 1), 16) === crc32(text)
    const seq = isWhole ? seqOf(text.toString('latin1', 0, jsonStart.length + 17)) : Number.NaN
    yield { seq: Number.isSafeInteger(seq) ? seq : null, text, bytes: Math.min(end + 1, content.length) - start }
    start = end + 1
  }
}

function seqOf(start: string): number {
  return Number.parseInt(start.startsWith(jsonStart) ? start.slice(jsonStart.length) : start.slice(1), 10)
}
