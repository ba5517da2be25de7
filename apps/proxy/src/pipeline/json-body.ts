import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { changeBody, parseJsonText, type TransformPart, type VariableSource } from '@apigate/core'

/** `unknown`: a coding that is not decoded here. `broken`: not what its coding says. */
export type DecodingProblem = 'unknown' | 'broken' | 'too_large'

/** RFC 9659 §3: what a zstd stream on the web may ask of its reader's memory. */
const zstdWindowLogMax = 23
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Whether a `Content-Type` is that of JSON: `application/json`, `text/json`, `application/problem+json`. */
export function isJsonType(contentType: string | string[] | undefined): boolean {
  return typeof contentType === 'string' && /^\s*(?:application|text)\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
}

/** The bytes without their `Content-Encoding`, at most so many. */
export async function decoded(
  bytes: Buffer,
  coding: string | undefined,
  bytesMax: number,
): Promise<Buffer | DecodingProblem> {
  const decoder = decoderOf(bytes, coding, bytesMax)
  if (decoder === 'plain') return bytes.length > bytesMax ? 'too_large' : bytes
  if (decoder === 'unknown') return decoder
  return decoder.later().catch(problemOf)
}

/** The same at once, for what is small. */
export function decodedNow(bytes: Buffer, coding: string | undefined, bytesMax: number): Buffer | DecodingProblem {
  const decoder = decoderOf(bytes, coding, bytesMax)
  if (decoder === 'plain') return bytes.length > bytesMax ? 'too_large' : bytes
  if (decoder === 'unknown') return decoder
  try {
    return decoder.now()
  } catch (error) {
    return problemOf(error)
  }
}

interface Decoder {
  later(): Promise<Buffer>
  now(): Buffer
}

const gunzip = promisify(zlib.gunzip)
const inflate = promisify(zlib.inflate)
const inflateRaw = promisify(zlib.inflateRaw)
const brotliDecompress = promisify(zlib.brotliDecompress)
const zstdDecompress = promisify(zlib.zstdDecompress)

function decoderOf(bytes: Buffer, coding: string | undefined, maxOutputLength: number): Decoder | 'plain' | 'unknown' {
  const options = { maxOutputLength }
  switch (coding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return 'plain'
    case 'gzip':
    case 'x-gzip':
      return { later: () => gunzip(bytes, options), now: () => zlib.gunzipSync(bytes, options) }
    case 'deflate':
      // RFC 9110 §8.4.1.2: some send it without its zlib wrapper.
      return (bytes[0] ?? 0) % 16 === 8
        ? { later: () => inflate(bytes, options), now: () => zlib.inflateSync(bytes, options) }
        : { later: () => inflateRaw(bytes, options), now: () => zlib.inflateRawSync(bytes, options) }
    case 'br':
      return { later: () => brotliDecompress(bytes, options), now: () => zlib.brotliDecompressSync(bytes, options) }
    case 'zstd': {
      const bounded = { ...options, params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLogMax } }
      return { later: () => zstdDecompress(bytes, bounded), now: () => zlib.zstdDecompressSync(bytes, bounded) }
    }
    default:
      return 'unknown'
  }
}

function problemOf(error: unknown): DecodingProblem {
  return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'broken'
}

/** The text, or null for what is no UTF-8. A byte order mark is not part of it. */
export function textOf(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

/** The changed body, or null when it stays as it is: it is no JSON, or nothing in it was to be changed. */
export function changedJson(bytes: Buffer, parts: readonly TransformPart[], source: VariableSource): Buffer | null {
  const text = textOf(bytes)
  const json = text === null ? null : parseJsonText(text)
  if (json === null) return null
  let changed = json.value
  for (const { body } of parts) if (body !== null) changed = changeBody(body, changed, source)
  return changed === json.value ? null : Buffer.from(json.write(changed))
}
