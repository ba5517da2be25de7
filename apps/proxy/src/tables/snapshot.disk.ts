import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { snapshotPointerSchema, type SnapshotPointer } from '@apigate/contracts'
import type { Snapshot } from '@apigate/platform'

const pointerBytesMax = 4_096

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

  /** Begins a copy beside the old one. @throws when the folder cannot be written. */
  async begin(pointer: SnapshotPointer): Promise<SnapshotCopy> {
    await mkdir(path.dirname(this.#file), { recursive: true })
    const copy = new SnapshotCopy(await open(`${this.#file}.new`, 'w'), `${this.#file}.new`, this.#file)
    await copy.write(Buffer.from(`${JSON.stringify(pointer)}\n`))
    return copy
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
    return { pointer, body: createReadStream(this.#file, { start: lineEnd + 1 }) }
  }
}

/** A copy that is being written: nothing until `commit`. A disk that fails costs the copy, never the snapshot itself. */
export class SnapshotCopy {
  readonly #file: FileHandle
  readonly #temporary: string
  readonly #final: string
  #error: unknown = null

  constructor(file: FileHandle, temporary: string, final: string) {
    this.#file = file
    this.#temporary = temporary
    this.#final = final
  }

  /** Passes a body on and keeps it on the way. */
  async *keep(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      await this.write(chunk)
      yield chunk
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#error !== null) return
    try {
      await this.#file.appendFile(chunk)
    } catch (error) {
      this.#error = error
    }
  }

  /** Takes the old copy's place. @throws when anything could not be written; the old copy stays then. */
  async commit(): Promise<void> {
    try {
      if (this.#error !== null) throw this.#error
      await this.#file.sync()
      await this.#file.close()
      await rename(this.#temporary, this.#final)
    } catch (error) {
      await this.discard()
      throw error
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => {})
    await rm(this.#temporary, { force: true })
  }
}

function parsePointer(line: string): SnapshotPointer | null {
  try {
    return snapshotPointerSchema.parse(JSON.parse(line))
  } catch {
    return null
  }
}
