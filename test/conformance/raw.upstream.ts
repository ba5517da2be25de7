import { createServer, type AddressInfo, type Socket } from 'node:net'
import { readStrictly, type ReadBytes } from './strict.request.ts'

/** An upstream that keeps every byte. It answers what it can read and closes: one request a connection. */
export interface RawUpstream {
  url: string
  /** What came on the connections for this client address, in order of their begin. */
  received(clientAddress: string): ReadBytes[]
  close(): Promise<void>
}

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'

export async function startRawUpstream(): Promise<RawUpstream> {
  const connections = new Map<Socket, { bytes: string; read: ReadBytes }>()
  const server = createServer((socket) => {
    const connection = { bytes: '', read: readStrictly('') }
    connections.set(socket, connection)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const answered = connection.read.requests.length
      connection.bytes += chunk.toString('latin1')
      connection.read = readStrictly(connection.bytes)
      if (connection.read.problem !== null) socket.destroy()
      else if (answered === 0 && connection.read.requests.length > 0) socket.end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: (clientAddress) =>
      [...connections.values()]
        .filter(({ bytes }) => bytes.toLowerCase().includes(`\nx-forwarded-for: ${clientAddress}\r`))
        .map(({ read }) => read),
    async close() {
      for (const socket of connections.keys()) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
