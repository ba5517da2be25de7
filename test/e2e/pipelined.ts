import net from 'node:net'

const connections = 8
/** On each connection without an answer yet. */
const ahead = 8

/**
 * Many GET requests over a few connections, several at a time on each: thousands in a second.
 *
 * @returns answers by status; answers must have a `Content-Length`.
 */
export async function pipelined(url: string, path: string, key: string, requests: number): Promise<object> {
  const statuses: Record<number, number> = {}
  const { hostname, port, host } = new URL(url)
  const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${key}\r\n\r\n`
  let left = requests
  const drive = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), hostname)
      let waiting = 0
      let received = ''
      const send = (): void => {
        for (; waiting < ahead && left > 0; waiting++, left--) socket.write(request)
        if (waiting === 0) socket.end(resolve)
      }
      socket.on('connect', send)
      socket.on('error', reject)
      socket.on('close', () => waiting > 0 && reject(new Error('the server closed a connection')))
      socket.on('data', (data) => {
        received += data.toString('latin1')
        for (let end = endOfAnswer(received); end !== -1; end = endOfAnswer(received)) {
          const status = Number(received.slice(9, 12))
          statuses[status] = (statuses[status] ?? 0) + 1
          received = received.slice(end)
          waiting--
        }
        send()
      })
    })
  await Promise.all(Array.from({ length: connections }, drive))
  return statuses
}

/** -1 while some of it is missing. */
function endOfAnswer(received: string): number {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return -1
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1]
  if (length === undefined) throw new Error('an answer without a length')
  const end = headEnd + 4 + Number(length)
  return end <= received.length ? end : -1
}
