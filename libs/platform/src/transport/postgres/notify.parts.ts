import { gunzipSync, gzipSync } from 'node:zlib'

/** A piece of a message that is longer than a NOTIFY may be (less than 8000 bytes). */
export interface NotifyPart {
  /** Of the whole message. */
  id: string
  worker: string
  part: number
  parts: number
  /** Of base64 of gzip. */
  data: string
}

const dataCharactersMax = 7_000
/** Beyond it somebody else is speaking on the channel. */
const partsMax = 200
const waitingMax = 100

export function splitParts(id: string, worker: string, text: string): NotifyPart[] {
  const data = gzipSync(text).toString('base64')
  const parts = Math.ceil(data.length / dataCharactersMax)
  return Array.from({ length: parts }, (_, part) => {
    const from = part * dataCharactersMax
    return { id, worker, part, parts, data: data.slice(from, from + dataCharactersMax) }
  })
}

/**
 * A listener that puts messages together. PostgreSQL keeps the order of one connection, not of a pool: parts may come in any.
 *
 * @param isWanted whether to look at a part at all.
 */
export function joinParts(
  onMessage: (text: string, part: NotifyPart) => void,
  isWanted: (part: NotifyPart) => boolean,
): (payload: string) => void {
  const waiting = new Map<string, (string | undefined)[]>()
  return (payload) => {
    const part = JSON.parse(payload) as NotifyPart
    if (!isWanted(part) || part.parts > partsMax) return
    const pieces = waiting.get(part.id) ?? Array.from<string | undefined>({ length: part.parts })
    pieces[part.part] = part.data
    if (pieces.includes(undefined)) {
      waiting.set(part.id, pieces)
      // What never becomes whole must not pile up.
      const [oldest] = waiting.size > waitingMax ? waiting.keys() : []
      if (oldest !== undefined) waiting.delete(oldest)
      return
    }
    waiting.delete(part.id)
    onMessage(gunzipSync(Buffer.from(pieces.join(''), 'base64')).toString(), part)
  }
}
