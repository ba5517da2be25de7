import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import type { Snapshot } from '@apigate/platform'

const pointerBytesMax = 4_096
/** Of a body that is read: each piece is work of another thread. */
const pieceBytes = 1 << 20
/** Of a body that waits for the disk while it is read. */
const waitingBytesMax = 16 << 20

/**
 * The last good snapshot, as it came, for a start while the feed is away: one file, the pointer as JSON on the first line
 * and the compressed body behind it. The reader checks the body against the pointer, so that a damaged file is no
 * snapshot rather than a wrong one.
 */
export class SnapshotDisk {
  readonly #file: string

  constructor(dataDir: string) {
    this.#file = path.join(dataDir, 'snapshot.v1')
  }

  /** Begins a copy beside the old one, as soon as the copy before it is through. */
  begin(pointer: SnapshotPointer, before: Promise<void>): SnapshotCopy {
    return new SnapshotCopy(this.#file, pointer, before)
  }

  /** Null when there is no copy, or none whose first line can be read. */
  async read(): Promise<Snapshot | null> {
    const head = Buffer.alloc(pointerBytesMax)
    let headBytes: number
    try {
      const file = await open(this.#file, 'r')
      try {
        headBytes = (await file.read(head, 0, pointerBytesMax, 0)).bytesRead
      } finally {
        await file.close()
      }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
    const lineEnd = head.subarray(0, headBytes).indexOf('\n')
    const pointer = lineEnd === -1 ? null : parsePointer(head.toString('utf8', 0, lineEnd))
    if (pointer === null) return null
    return { pointer, body: createReadStream(this.#file, { start: lineEnd + 1, highWaterMark: pieceBytes }) }
  }
}

/** A copy that is being written: nothing until `commit`. A disk that fails costs the copy, never the snapshot itself. */
export class SnapshotCopy {
  /** What was to be kept came faster than the disk takes it, and was let go. */
  isTooSlow = false
  readonly #final: string
  readonly #temporary: string
  #file: FileHandle | null = null
  #error: unknown = null
  /** In a list, so that what is let go is free at once, also while the disk stands still. */
  readonly #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void>

  constructor(file: string, pointer: SnapshotPointer, before: Promise<void>) {
    this.#final = file
    this.#temporary = `${file}.new`
    this.#writing = before.then(() => this.#step(() => this.#open(pointer)))
  }

  /** Passes a body on as it comes, and keeps it on the way. */
  async *keep(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      void this.write(chunk)
      if (this.#waitingBytes > waitingBytesMax) {
        this.isTooSlow = true
        this.#waiting.length = 0
      }
      yield chunk
    }
  }

  /** Resolves when the disk has taken it, or has failed. */
  write(chunk: Uint8Array): Promise<void> {
    if (this.#error !== null || this.isTooSlow) return this.#writing
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.byteLength
    this.#writing = this.#append(this.#writing)
    return this.#writing
  }

  /** Takes the old copy's place. @throws when anything could not be written; the old copy stays then. */
  async commit(): Promise<void> {
    await this.#writing
    await this.#step(async () => {
      await this.#file!.sync()
      await this.#file!.close()
      await rename(this.#temporary, this.#final)
    })
    if (this.#error === null && !this.isTooSlow) return
    await this.discard()
    throw this.#error ?? new Error('the disk is slower than the feed')
  }

  async discard(): Promise<void> {
    this.#waiting.length = 0
    await this.#writing
    await this.#file?.close().catch(() => {})
    await rm(this.#temporary, { force: true }).catch(() => {})
  }

  async #append(before: Promise<void>): Promise<void> {
    await before
    const chunk = this.#waiting.shift()
    if (chunk === undefined) return
    await this.#step(() => this.#file!.appendFile(chunk))
    this.#waitingBytes -= chunk.byteLength
  }

  async #open(pointer: SnapshotPointer): Promise<void> {
    await mkdir(path.dirname(this.#final), { recursive: true })
    this.#file = await open(this.#temporary, 'w')
    await this.#file.appendFile(`${JSON.stringify(pointer)}\n`)
  }

  /** Nothing is done behind what has failed. */
  async #step(take: () => Promise<void>): Promise<void> {
    if (this.#error !== null || this.isTooSlow) return
    try {
      await take()
    } catch (error) {
      this.#error = error
    }
  }
}

function parsePointer(line: string): SnapshotPointer | null {
  try {
    return snapshotPointerSchema.parse(JSON.parse(line))
  } catch {
    return null
  }
}
