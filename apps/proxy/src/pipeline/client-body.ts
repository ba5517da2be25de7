import type { Exchange } from './exchange.ts'

/**
 * Reads the whole body that the client sends, telling it to go on if it waits for that.
 *
 * @returns null as soon as it is known to be larger than so many bytes; nothing more is read then. When the client goes
 * away, what came of it: see `isClientGone`.
 */
export function readClientBody(exchange: Exchange, bytesMax: number): Promise<Buffer | null> {
  const { request, response } = exchange
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.resolve(null)
  if (exchange.awaitsContinue) {
    response.writeContinue()
    exchange.awaitsContinue = false
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const end = (body: Buffer | null): void => {
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onEnd)
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      exchange.requestBytes = bytes
      chunks.push(chunk)
      if (bytes <= bytesMax) return
      request.pause()
      end(null)
    }
    const onEnd = (): void => end(Buffer.concat(chunks))
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('close', onEnd)
  })
}
