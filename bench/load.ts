import net from 'node:net'

/**
 * A closed loop of GET requests over keep-alive connections, on bare sockets so that the generator costs little beside what
 * is measured. Answers must carry Content-Length. Prints nothing; talks over the process channel.
 */
interface LoadOrder {
  port: number
  path: string
  headers: Record<string, string>
  connections: number
  requests: number
}

interface LoadReport {
  seconds: number
  /** Answers by status code. */
  statuses: Record<string, number>
}

const headEnd = Buffer.from('\r\n\r\n')

function run(order: LoadOrder): Promise<LoadReport> {
  const lines = Object.entries(order.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const request = Buffer.from(`GET ${order.path} HTTP/1.1\r\nHost: bench.test\r\n${lines.join('')}\r\n`)
  const statuses: Record<string, number> = {}
  let toSend = order.requests
  let open = order.connections
  const startedAt = process.hrtime.bigint()

  return new Promise((resolve, reject) => {
    for (let n = 0; n < order.connections; n++) {
      const socket = net.connect({ port: order.port, host: '127.0.0.1', noDelay: true })
      let pending: Buffer = Buffer.alloc(0)
      const next = (): void => {
        if (toSend > 0) {
          toSend--
          socket.write(request)
        } else {
          socket.destroy()
          open--
          if (open === 0) resolve({ seconds: Number(process.hrtime.bigint() - startedAt) / 1e9, statuses })
        }
      }
      socket.on('connect', next)
      socket.on('error', reject)
      socket.on('end', () => reject(new Error('the server closed a connection')))
      socket.on('data', (data: Buffer) => {
        pending = pending.length === 0 ? data : Buffer.concat([pending, data])
        const end = pending.indexOf(headEnd)
        if (end < 0) return
        const head = pending.toString('latin1', 0, end)
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
        if (pending.length < end + 4 + length) return
        const status = head.slice(9, 12)
        statuses[status] = (statuses[status] ?? 0) + 1
        pending = Buffer.alloc(0)
        next()
      })
    }
  })
}

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.send?.({ ready: 0 })
