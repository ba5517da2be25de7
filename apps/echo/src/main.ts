/**
 * The sample upstream: says what it was sent, so that a first look through the gateway shows what the gateway did. Takes
 * its port as the first argument and, as the second, the address to listen on.
 */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { answer } from './answers.ts'

const [portText = '8090', host = '127.0.0.1'] = process.argv.slice(2)
const messageBytesMax = 1 << 20

const server = createServer(answer)
const sockets = new WebSocketServer({ server, maxPayload: messageBytesMax })
sockets.on('connection', (socket, request) => {
  socket.on('error', () => socket.terminate())
  socket.send(JSON.stringify({ connected: request.url, headers: request.headers }))
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})
server.listen(Number(portText), host)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    for (const socket of sockets.clients) socket.close(1001)
    server.close()
    server.closeAllConnections()
  })
}
