import net from 'node:net'

/** Below the range that systems hand out for outgoing connections, so that none of those takes it in between. */
const range = { from: 20_000, to: 32_000 }

/** Whether nothing listens on the port of that address. */
export function isPortFree(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port that was free a moment ago: whoever uses it retries with another when it was taken meanwhile. */
export async function freePort() {
  for (;;) {
    const port = range.from + Math.floor(Math.random() * (range.to - range.from))
    if (await isPortFree(port)) return port
  }
}
